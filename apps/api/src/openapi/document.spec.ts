import { describe, expect, it } from '@jest/globals';
import { METHOD_METADATA } from '@nestjs/common/constants.js';
import { ModulesContainer } from '@nestjs/core';
import { lintFromString, createConfig } from '@redocly/openapi-core';
import { Validator } from '@seriousme/openapi-schema-validator';
import { EVENT_TYPES, jsonSchemas } from '@tributary/events';
import { PROBLEM_TYPES, SCOPES } from '@tributary/runtime';
import { answerOf, apiDocument, operationsOf, previewApi, type Schema } from '../testing/api-document.js';
import { operationIdOf } from './routes.js';

const document = await apiDocument();
const operations = operationsOf(document);

/** Every schema of the document with where it is. */
function schemasIn(node: unknown, at = ''): [string, Schema][] {
  if (typeof node !== 'object' || node === null) return [];
  const inner = Object.entries(node).flatMap(([key, value]) => schemasIn(value, `${at}/${key}`));
  return Array.isArray(node) ? inner : [[at, node as Schema], ...inner];
}
const isObject = ({ type }: Schema) => [type].flat().includes('object');

describe('the description of the API', () => {
  it('names every route that a controller has', async () => {
    const app = await previewApi();
    const controllers = [...app.get(ModulesContainer).values()].flatMap(({ controllers: own }) => [...own.values()]);
    const routes = controllers.flatMap(({ metatype, name }) => {
      const prototype = (metatype as { prototype: Record<string, object> }).prototype;
      const methods = Object.getOwnPropertyNames(prototype).filter((method) => Reflect.hasMetadata(METHOD_METADATA, prototype[method]!));
      return name === 'HealthController' ? [] : methods.map((method) => operationIdOf(String(name), method));
    });
    expect(operations.map(({ operation }) => operation.operationId).sort()).toEqual([...new Set(routes)].sort());
    expect(routes.length).toBeGreaterThan(35);
  });

  it.each(operations)('$route says what it does, and what each parameter is', ({ operation }) => {
    expect(operation.summary).toMatch(/^[A-Z].{5,}[^.]$/);
    expect(operation.description).toMatch(/[^]{20,}\.$/);
    expect(document.tags.map(({ name }) => name)).toContain(operation.tags?.[0]);
    for (const { name, description, schema } of operation.parameters ?? []) {
      expect({ name, description }).toEqual({ name, description: expect.stringMatching(/.{5,}/) });
      expect({ name, schema }).toEqual({ name, schema: expect.objectContaining({ type: expect.anything() }) });
    }
  });

  it.each(operations)('$route says its success, its errors with their codes, and the headers of both', ({ operation }) => {
    const statuses = Object.keys(operation.responses);
    expect(statuses.filter((status) => /^2\d\d$/.test(status)).length).toBeGreaterThan(0);
    const scopes = operation.security![0]?.key;
    const needed = [...(scopes ? ['401', '429', '503'] : []), ...(scopes?.length ? ['403'] : []), '500', 'default'];
    expect(statuses).toEqual(expect.arrayContaining(needed));
    expect(statuses.includes('415')).toBe(operation.requestBody !== undefined);
    for (const [status, declared] of Object.entries(operation.responses)) {
      const { description, headers, content } = answerOf(document, declared);
      expect(description).not.toBe('');
      expect(headers).toHaveProperty('X-Request-Id');
      if (status === '204') expect(content).toBeUndefined();
      else if (status.startsWith('2'))
        expect(Object.values(content ?? {}).map(({ schema }) => Object.keys(schema).length > 0)).toContain(true);
      else if (status !== 'default') {
        const { allOf } = content!['application/problem+json']!.schema as {
          allOf: [Schema, { properties: Record<string, { enum: string[] }> }];
        };
        const codes = allOf[1].properties.code!.enum as (keyof typeof PROBLEM_TYPES)[];
        for (const code of codes) {
          expect(PROBLEM_TYPES[code].status).toBe(Number(status));
          expect(description).toContain(`\`${code}\``);
        }
        if (status === '429' || status === '503') expect(headers).toHaveProperty('Retry-After');
      }
    }
  });

  it.each(operations)('$route names the scopes of a key beside each way to send it, or needs none', ({ route, operation }) => {
    const [bearer, header, ...more] = operation.security!;
    expect(more).toEqual([]);
    if (route === 'GET /problems/{code}') return expect(operation.security).toEqual([]);
    expect(bearer!.key!.length > 0).toBe(route !== 'GET /v1/me');
    expect(Object.keys(bearer!)).toEqual(['key']);
    expect(header).toEqual({ 'x-api-key': bearer!.key });
    for (const scope of bearer!.key!) {
      expect(SCOPES).toContain(scope);
      expect(operation.description).toContain(`\`${scope}\``);
    }
  });

  it('has no object without fields by accident, and no field that may be anything but by its description', () => {
    const bare = schemasIn(document).filter(
      ([, schema]) => isObject(schema) && !schema.properties && schema.additionalProperties === undefined && !schema.allOf,
    );
    expect(bare.map(([at]) => at)).toEqual([]);
    const properties = schemasIn(document).flatMap(([at, { properties: own }]) => (own ? schemasOf(own, at) : []));
    const anything = properties.filter(
      ([, { type, $ref, oneOf, anyOf, allOf, const: only, description }]) =>
        !type && !$ref && !oneOf && !anyOf && !allOf && only === undefined && !description,
    );
    expect(anything.map(([at]) => at)).toEqual([]);
    expect(properties.length).toBeGreaterThan(400);
  });

  it('knows where it is served, and uses the words of OpenAPI 3.1 alone', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(document.servers.map(({ url }) => url)).toEqual(['/']);
    const text = JSON.stringify(document);
    const refs = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)];
    const broken = refs.filter(
      ([, kind, name]) => !(document.components as unknown as Record<string, Record<string, object>>)[kind!]?.[name!],
    );
    expect(broken.map(([ref]) => ref)).toEqual([]);
    expect(text).not.toContain('"nullable"');
  });

  it('has events as a union that `type` decides, with the data of the catalog', () => {
    const { oneOf, discriminator } = document.components.schemas.Event as {
      oneOf: Schema[];
      discriminator: { propertyName: string; mapping: Record<string, string> };
    };
    expect(oneOf.map(({ $ref }) => $ref)).toEqual(EVENT_TYPES.map((type) => `#/components/schemas/${type}`));
    expect(discriminator.propertyName).toBe('type');
    expect(discriminator.mapping).toEqual(Object.fromEntries(EVENT_TYPES.map((type) => [type, `#/components/schemas/${type}`])));
    const catalog = jsonSchemas();
    for (const type of EVENT_TYPES) {
      const { allOf } = document.components.schemas[type] as { allOf: [Schema, Schema] };
      expect(allOf[0]).toEqual({ $ref: '#/components/schemas/EventEnvelope' });
      expect(allOf[1]).toMatchObject({ required: ['type', 'data'], properties: { type: { const: type } } });
      expect(allOf[1].properties!.data!.properties).toEqual(catalog[type].properties);
    }
    expect(document.components.schemas.EventEnvelope!.properties).not.toHaveProperty('type');
  });

  it('is without a fault for two linters', async () => {
    const source = JSON.stringify(document);
    const config = await createConfig({ extends: ['recommended'] });
    const problems = await lintFromString({ source, absoluteRef: '/openapi.json', config });
    expect(problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} at ${location[0]?.pointer}`)).toEqual([]);
    const { valid, errors } = await new Validator().validate(JSON.parse(source) as Record<string, unknown>);
    expect({ valid, errors: JSON.stringify(errors ?? [])?.slice(0, 2_000) }).toEqual({ valid: true, errors: '[]' });
  });
});

function schemasOf(properties: Record<string, Schema>, at: string): [string, Schema][] {
  return Object.entries(properties).map(([name, schema]) => [`${at}/properties/${name}`, schema]);
}
