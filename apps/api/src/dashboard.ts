import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { serveFile } from './page-files.js';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Serves the dashboard at `/`: the files beside this one in public/, read once. Without a key it shows nothing but a form. */
export function serveDashboard(app: NestFastifyApplication): void {
  const folder = fileURLToPath(new URL('./public/', import.meta.url));
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type) serveFile(app, name === 'index.html' ? '/' : `/${name}`, type, readFileSync(`${folder}/${name}`));
  }
}
