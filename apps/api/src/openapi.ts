import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { EVENT_TYPES, jsonSchemas } from '@tributary/events';
import { PROBLEM_TYPES } from '@tributary/runtime';

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

const DESCRIPTION = `Live events of TikTok creators: history by REST, live by server-sent events, one cursor for both.

Send a key as \`Authorization: Bearer <key>\` or \`x-api-key: <key>\`. Errors are \`application/problem+json\` (RFC 9457) and name each bad field in \`errors\`.`;

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri-reference', description: '`/problems/<code>`: what it means, and what helps' },
    code: { type: 'string', enum: Object.keys(PROBLEM_TYPES), description: 'stable: programs may rely on it' },
    requestId: { type: 'string', description: 'as in the header `X-Request-Id`; the log of the server has it beside a failure' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    errors: {
      type: 'array',
      description: 'each bad field, and what was expected there',
      items: { type: 'object', required: ['field', 'expected'], properties: { field: { type: 'string' }, expected: { type: 'string' } } },
    },
  },
};

const text = { type: 'string' };
const instant = { type: 'string', format: 'date-time' };

/** The envelope every type shares; `data` has the shape of its type. */
const event = {
  type: 'object',
  description: 'CloudEvents 1.0 JSON',
  required: [
    'specversion',
    'id',
    'source',
    'type',
    'subject',
    'time',
    'datacontenttype',
    'creator',
    'roomid',
    'receivedat',
    'position',
    'data',
  ],
  properties: {
    specversion: { const: '1.0' },
    id: { ...text, description: 'the same over reconnects, workers, replays and retries' },
    source: text,
    type: { type: 'string', enum: EVENT_TYPES },
    subject: { ...text, description: "the creator's stable internal id" },
    time: { ...instant, description: "TikTok's time of the message" },
    datacontenttype: { const: 'application/json' },
    creator: { ...text, description: 'handle at that time' },
    roomid: text,
    receivedat: instant,
    position: { ...text, description: 'opaque cursor: ask for what comes after it' },
    data: { type: 'object', description: 'the shape of its type: see the schemas named like the type' },
    raw: { ...text, format: 'byte', description: 'protobuf, where it was asked for and stored' },
  },
};

/** The OpenAPI 3.1 document: routes from the controllers, event shapes from the catalog. */
export function describeApi(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Tributary')
    .setDescription(DESCRIPTION)
    .setVersion('1')
    .setLicense('AGPL-3.0-only', 'https://www.gnu.org/licenses/agpl-3.0.html')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'an API key' }, 'key')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'x-api-key' }, 'x-api-key')
    .addSecurityRequirements('key')
    .addSecurityRequirements('x-api-key')
    .addGlobalResponse({
      status: 'default',
      description: 'What went wrong',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    })
    .build();
  const document = SwaggerModule.createDocument(app, config);
  const schemas = Object.fromEntries(
    Object.entries(jsonSchemas()).map(([type, data]) => [
      type,
      { title: type, allOf: [{ $ref: '#/components/schemas/Event' }, { type: 'object', properties: { type: { const: type }, data } }] },
    ]),
  );
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: problem, Event: event, ...schemas } as Schemas,
  };
  return document;
}

/** Serves the document at `/openapi.json` and a page to read and try it at `/docs`, from this process alone. */
export function serveApiDescription(app: NestFastifyApplication): void {
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup('docs', app, () => (document ??= describeApi(app)), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Tributary API',
    customCss: '.swagger-ui .topbar { display: none }',
    // The page's default would send the document to a validator on the internet.
    swaggerOptions: { validatorUrl: null, persistAuthorization: false, defaultModelsExpandDepth: 0, docExpansion: 'list', filter: true },
  });
}
