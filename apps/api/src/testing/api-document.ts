import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Config, createHttpAdapter, createLogger } from '@tributary/runtime';
import { ApiModule } from '../api.module.js';
import { describeApi } from '../openapi/document.js';

/** A JSON Schema, as far as tests look into one. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  [keyword: string]: unknown;
}

export interface AnswerDescription {
  $ref?: string;
  description: string;
  headers?: Record<string, object>;
  content?: Record<string, { schema: Schema }>;
}

export interface OperationDescription {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: { name: string; in: string; description?: string; schema?: Schema }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, AnswerDescription>;
  security?: Record<string, string[]>[];
}

/** The OpenAPI document, as tests read it. */
export interface ApiDocument {
  openapi: string;
  servers: { url: string }[];
  tags: { name: string; description?: string }[];
  paths: Record<string, Record<string, OperationDescription>>;
  components: { schemas: Record<string, Schema>; responses: Record<string, AnswerDescription>; securitySchemes: Record<string, object> };
}

/** An application that knows its routes and has nothing else: no provider is made, no server is asked. */
export function previewApi(): Promise<NestFastifyApplication> {
  const logger = createLogger({ name: 'preview', level: 'silent', format: 'json' });
  const module = ApiModule.of(Object.assign(new Config(), { apiRoles: ['http', 'webhooks'] }), logger);
  return NestFactory.create<NestFastifyApplication>(module, createHttpAdapter({}), { preview: true, logger: false });
}

let made: Promise<ApiDocument> | undefined;

/** The document that the API serves at `/openapi.json`, made once in each test file. */
export function apiDocument(): Promise<ApiDocument> {
  made ??= previewApi().then((app) => JSON.parse(JSON.stringify(describeApi(app))) as ApiDocument);
  return made;
}

/** Every operation with its route, such as `GET /v1/creators`. */
export function operationsOf(document: ApiDocument): { route: string; method: string; path: string; operation: OperationDescription }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, method, path, operation })),
  );
}

/** The answer itself, where the operation only refers to it. */
export function answerOf(document: ApiDocument, answer: AnswerDescription): AnswerDescription {
  const name = answer.$ref?.split('/').at(-1);
  return name === undefined ? answer : document.components.responses[name]!;
}
