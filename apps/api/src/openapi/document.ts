import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { eventSchemas } from './events.js';
import { HEADERS, PROBLEM_SCHEMA, type ProblemResponse } from './problems.js';
import { completeOperations, type Operation, operationIdOf } from './routes.js';

const DESCRIPTION = `Live events of TikTok creators: history by REST, live by server-sent events, one cursor for both.

Send a key as \`Authorization: Bearer <key>\` or \`x-api-key: <key>\`; beside them each operation names the scopes that the key
needs. Errors are \`application/problem+json\` (RFC 9457) with a stable \`code\`, and name each bad field in \`errors\`.`;

const TAGS = {
  creators: 'who is monitored, and how their connections are',
  events: 'stored events, and all of them as a file',
  live: 'events as they come',
  sessions: 'streams (rooms) with their totals, leaderboards and timelines',
  webhooks: 'events sent to an address of yours: endpoints, deliveries, replays',
  keys: 'API keys and their scopes',
  status: 'how the parts of the system are',
  problems: 'what error codes mean',
};

/** The OpenAPI 3.1 document: routes, scopes and errors from the controllers, event shapes from the catalog. */
export function describeApi(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Tributary')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setLicense('AGPL-3.0-only', 'https://www.gnu.org/licenses/agpl-3.0.html')
    .addServer('/', 'the server that this description comes from')
    .addSecurity('key', { type: 'http', scheme: 'bearer', description: 'an API key' })
    .addSecurity('x-api-key', { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'an API key' })
    .addGlobalResponse({
      status: 'default',
      description: 'What went wrong',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    });
  for (const [name, about] of Object.entries(TAGS)) config.addTag(name, about);
  const document = SwaggerModule.createDocument(app, config.build(), { operationIdFactory: operationIdOf });
  document.info.contact = { name: 'the operator of this server' };
  const responses: Record<string, ProblemResponse> = {};
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path) as Operation[]);
  completeOperations(app, operations, responses);
  document.components = {
    ...document.components,
    schemas: { ...defaultsInWords(document.components?.schemas ?? {}), Problem: PROBLEM_SCHEMA, ...eventSchemas() },
    responses,
    headers: HEADERS,
  } as OpenAPIObject['components'];
  return document;
}

/**
 * Says the default of a field of a body in its description. As a keyword, generators of clients take it for a promise that the
 * field is always there, and ask for it.
 */
function defaultsInWords(schemas: object): object {
  for (const { properties = {} } of Object.values(schemas) as {
    properties?: Record<string, { default?: unknown; description?: string }>;
  }[]) {
    for (const field of Object.values(properties)) {
      if (field.default === undefined) continue;
      field.description = `${field.description ?? ''} (default ${JSON.stringify(field.default)})`.trim();
      delete field.default;
    }
  }
  return schemas;
}
