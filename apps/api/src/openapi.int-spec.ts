import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EVENT_TYPES } from '@tributary/events';
import { ApiUnderTest } from './testing/api-under-test.js';

interface Document {
  openapi: string;
  paths: Record<string, Record<string, { summary?: string; responses: object }>>;
  components: { schemas: Record<string, object> };
}

describe('description of the API', () => {
  let api: ApiUnderTest;
  let document: Document;
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { apiRoles: ['http'] } });
    document = (await api.call<Document>('GET', '/openapi.json', { key: null })).body;
  });
  afterAll(() => api.stop());

  it('is OpenAPI 3.1 and names every route with a summary', () => {
    expect(document.openapi).toBe('3.1.0');
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes).toEqual(
      expect.arrayContaining([
        'DELETE /v1/creators/{creator}',
        'DELETE /v1/keys/{id}',
        'GET /v1/creators',
        'GET /v1/creators/{creator}',
        'GET /v1/events',
        'GET /v1/events/export',
        'GET /v1/events/{id}',
        'GET /v1/keys',
        'GET /v1/sessions',
        'GET /v1/sessions/{roomId}',
        'GET /v1/sessions/{roomId}/leaderboard',
        'GET /v1/sessions/{roomId}/timeline',
        'GET /v1/status',
        'GET /v1/stream',
        'PATCH /v1/creators/{creator}',
        'POST /v1/creators',
        'POST /v1/creators/batch',
        'POST /v1/keys',
      ]),
    );
    for (const methods of Object.values(document.paths))
      for (const operation of Object.values(methods)) expect(operation.summary).toBeTruthy();
  });

  it('has the shape of every event type, and no reference that leads nowhere', () => {
    for (const type of EVENT_TYPES) expect(document.components.schemas[type]).toBeDefined();
    const text = JSON.stringify(document);
    const refs = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!);
    expect(refs.filter((name) => !document.components.schemas[name])).toEqual([]);
    expect(text).not.toContain('"nullable"');
  });

  it('is browsable without anything from the internet', async () => {
    const html = (await api.call<string>('GET', '/docs', { key: null })).body;
    const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    expect(sources.length).toBeGreaterThan(3);
    for (const source of sources) {
      expect(source).not.toMatch(/^(https?:)?\/\//);
      expect((await fetch(new URL(source, `${api.url}/docs`))).status).toBe(200);
    }
  });
});
