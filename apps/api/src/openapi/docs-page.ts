import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { describeApi } from './document.js';
import { serveFile } from '../dashboard/page-files.js';

/** The page of Swagger UI without anything inline, which its policy would not run. */
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="robots" content="noindex" />
    <title>Tributary API</title>
    <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
    <link rel="stylesheet" href="/docs/swagger-ui.css" />
    <link rel="stylesheet" href="/docs/page.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/page.js"></script>
  </body>
</html>
`;
// Its default would send the document to a validator on the internet.
const SCRIPT = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  validatorUrl: null,
  persistAuthorization: false,
  defaultModelsExpandDepth: 0,
  docExpansion: 'list',
  filter: true,
});
`;
const STYLE = 'body { margin: 0; background: #fafafa; }\n';

/** Serves the OpenAPI document at `/openapi.json` and a page to read and try it at `/docs`, from this process alone. */
export function serveApiDescription(app: NestFastifyApplication): void {
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const file = (name: string) => readFileSync(join(folder, name));
  for (const path of ['/docs', '/docs/']) serveFile(app, path, 'text/html; charset=utf-8', Buffer.from(PAGE));
  serveFile(app, '/docs/page.js', 'text/javascript; charset=utf-8', Buffer.from(SCRIPT));
  serveFile(app, '/docs/page.css', 'text/css; charset=utf-8', Buffer.from(STYLE));
  serveFile(app, '/docs/swagger-ui.css', 'text/css; charset=utf-8', file('swagger-ui.css'));
  serveFile(app, '/docs/swagger-ui-bundle.js', 'text/javascript; charset=utf-8', file('swagger-ui-bundle.js'));
  let document: string | undefined;
  app
    .getHttpAdapter()
    .getInstance()
    .get('/openapi.json', (_request: FastifyRequest, reply: FastifyReply) =>
      reply.type('application/json; charset=utf-8').send((document ??= JSON.stringify(describeApi(app)))),
    );
}
