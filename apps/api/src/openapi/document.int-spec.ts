import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { allows, SCOPES } from '@tributary/runtime';
import { apiDocument, type ApiDocument, operationsOf } from '../testing/api-document.js';
import { ApiUnderTest, type ProblemBody } from '../testing/api-under-test.js';

describe('the description that the API serves', () => {
  let api: ApiUnderTest;
  let document: ApiDocument;
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { webhookSecretKey: Buffer.alloc(32).toString('base64') } });
    document = (await api.call<ApiDocument>('GET', '/openapi.json', { key: null })).body;
  });
  afterAll(() => api.stop());

  it('is the one whose completeness is tested', async () => {
    expect(document).toEqual(await apiDocument());
  });

  it('names the scopes that the guard asks for, on every operation', async () => {
    const keys = new Map(await Promise.all(SCOPES.map(async (scope) => [scope, await api.key(scope)] as const)));
    for (const { route, method, path, operation } of operationsOf(document)) {
      const scopes = operation.security![0]?.key;
      if (!scopes) continue;
      const address = path.replace(/\{\w+\}/g, 'none');
      const ask = (scope: (typeof SCOPES)[number]) =>
        fetch(`${api.url}${address}`, { method: method.toUpperCase(), headers: { 'x-api-key': keys.get(scope)! } });
      for (const scope of SCOPES) {
        const missing = scopes.find((needed) => !allows({ scopes: [scope] }, needed as typeof scope));
        if (missing === undefined) continue;
        const answer = await ask(scope);
        const { neededScope } = (await answer.json()) as ProblemBody & { neededScope: string };
        expect({ route, scope, status: answer.status, neededScope }).toEqual({ route, scope, status: 403, neededScope: missing });
      }
    }
  });

  it('is served under a policy that runs nothing inline, nothing of others and no frame, as the dashboard is', async () => {
    const html = await api.call<string>('GET', '/docs', { key: null });
    const parts = [...html.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    expect(html.body).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/);
    for (const path of ['/docs', '/docs/', '/', ...parts, '/openapi.json', '/problems/not-found', '/v1/creators', '/nowhere']) {
      const { headers } = await api.call('GET', path, { key: null });
      const policy = headers.get('content-security-policy') ?? '';
      expect({ path, policy }).toEqual({ path, policy: expect.stringContaining("default-src 'none'") });
      expect({ path, policy }).toEqual({ path, policy: expect.stringContaining("frame-ancestors 'none'") });
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      expect([headers.get('x-content-type-options'), headers.get('referrer-policy'), headers.get('x-frame-options')]).toEqual([
        'nosniff',
        'no-referrer',
        'DENY',
      ]);
    }
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
