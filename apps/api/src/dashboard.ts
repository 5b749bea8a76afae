import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The page may use its own files and this API, and nothing else in the world. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves the dashboard at `/`: the files beside this one in public/, read once. Without a key it shows nothing but a form. */
export function serveDashboard(app: NestFastifyApplication): void {
  const folder = fileURLToPath(new URL('./public/', import.meta.url));
  const fastify = app.getHttpAdapter().getInstance();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (!type) continue;
    const body = readFileSync(`${folder}/${name}`);
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 20)}"`;
    fastify.get(name === 'index.html' ? '/' : `/${name}`, (request: FastifyRequest, reply: FastifyReply) => {
      void reply.headers({
        etag,
        'cache-control': 'no-cache',
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
      if (request.headers['if-none-match'] === etag) return reply.status(304).send();
      return reply.type(type).send(body);
    });
  }
}
