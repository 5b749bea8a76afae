import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROBLEM_TYPES } from '@tributary/runtime';
import { ApiUnderTest, type ProblemBody } from '../testing/api-under-test.js';

let api: ApiUnderTest;
beforeAll(async () => {
  api = await ApiUnderTest.start();
});
afterAll(() => api.stop());

/** One request as a client in any language might send it. */
async function send(method: string, path: string, body?: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${api.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${api.adminKey}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const problem = response.headers.get('content-type')?.startsWith('application/problem+json')
    ? (JSON.parse(text) as ProblemBody)
    : undefined;
  return { status: response.status, headers: response.headers, problem, text };
}
const json = { 'content-type': 'application/json' };
const nested = `${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`;

describe('an error of the API', () => {
  const cases: [string, [string, string, string?, Record<string, string>?], string, RegExp][] = [
    ['a JSON body nested 2,000 deep', ['POST', '/v1/creators', nested, json], 'malformed-body', /nested deeper than 32/],
    ['a body that is no JSON', ['POST', '/v1/creators', '{"a"', json], 'malformed-body', /not JSON/],
    ['a body that would change a prototype', ['POST', '/v1/creators', '{"__proto__":{"a":1}}', json], 'malformed-body', /__proto__/],
    ['an empty body object', ['POST', '/v1/creators', '{}', json], 'invalid-field', /^uniqueId: expected /],
    [
      'an unknown field',
      ['POST', '/v1/creators', '{"uniqueId":"abc","typ":1}', json],
      'invalid-field',
      /^typ: expected no field of this name$/,
    ],
    ['a number past its bound', ['GET', '/v1/events?limit=5000'], 'invalid-field', /^limit: expected at most 1000$/],
    ['a cursor with a NUL inside', ['GET', '/v1/keys?cursor=WyJhXHUwMDAwYiJd'], 'invalid-field', /^cursor: expected /],
    [
      'half of a surrogate pair',
      ['POST', '/v1/keys', '{"name":"a\\udc00","scopes":["read"]}', json],
      'invalid-field',
      /^name: expected text without .* half of a surrogate pair$/,
    ],
    ['a body of another type', ['POST', '/v1/creators', 'hello', { 'content-type': 'text/plain' }], 'unsupported-media-type', /./],
    [
      'a body that is too large',
      ['POST', '/v1/creators', JSON.stringify({ uniqueId: 'x'.repeat(1_200_000) }), json],
      'body-too-large',
      /./,
    ],
    ['a method that the path does not take', ['PUT', '/v1/creators'], 'method-not-allowed', /it takes GET, HEAD, POST/],
    ['a path that is none', ['GET', '/v1/nothing'], 'not-found', /./],
    ['a parameter that is too long', ['GET', `/v1/events/${'x'.repeat(2_000)}`], 'path-too-long', /./],
    ['an address that cannot be decoded', ['GET', '/v1/events/%E0%A4%A'], 'malformed-request', /./],
  ];
  it.each(cases)('%s is told by its own code', async (_, [method, path, body, headers], code, detail) => {
    const answer = await send(method, path, body, headers);
    expect(answer.problem).toMatchObject({ code, type: `/problems/${code}`, status: answer.status });
    expect(answer.status).toBe(PROBLEM_TYPES[code as keyof typeof PROBLEM_TYPES].status);
    expect(answer.problem?.detail).toMatch(detail);
    expect(answer.problem?.requestId).toBe(answer.headers.get('x-request-id'));
    expect(answer.text).not.toMatch(/property \w+ should|expected expected|\bat .*\.js:/);
  });

  it('says which methods a path takes in Allow', async () => {
    const { headers } = await send('DELETE', '/v1/creators');
    expect(headers.get('allow')).toBe('GET, HEAD, POST, OPTIONS');
  });

  it('has a code whose page needs no key', async () => {
    for (const [code, { status, title }] of Object.entries(PROBLEM_TYPES)) {
      const response = await fetch(`${api.url}/problems/${code}`);
      expect(await response.json()).toMatchObject({ code, status, title });
    }
    expect((await fetch(`${api.url}/problems/none`)).status).toBe(404);
  });

  it('is none for an empty body with a JSON content type', async () => {
    const made = await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId: 'empty.body' } });
    expect((await send('DELETE', `/v1/creators/${made.body.id}`, undefined, json)).status).toBe(204);
  });

  it('every answer has a request id of its own', async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, async () => (await send('GET', '/v1/events?limit=1')).headers.get('x-request-id')),
    );
    expect(new Set(ids).size).toBe(5);
    expect(ids.every((id) => /^req_[\w-]{12}$/.test(id ?? ''))).toBe(true);
  });
});
