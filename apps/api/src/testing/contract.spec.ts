import { describe, expect, it } from '@jest/globals';
import { Contract } from './contract.js';

describe('the check that every test of the API makes of its answers', () => {
  const key = { id: 'key_1', name: 'one', scopes: ['read'], createdAt: '2026-11-22T10:00:00.000Z', lastUsedAt: null };
  const problem = (code: string, status: number) => ({
    type: `/problems/${code}`,
    title: 'x',
    status,
    detail: 'x',
    code,
    requestId: 'req_1',
  });
  const faults = async (method: string, path: string, status: number, body: unknown, type = 'application/json') =>
    (await Contract.get()).faults(method, path, status, type, body);

  it('takes an answer as it is described', async () => {
    expect(await faults('GET', '/problems/conflict', 200, { code: 'conflict', status: 409, title: 'x', remedy: 'x' })).toEqual([]);
    expect(await faults('GET', '/v1/creators/nobody', 404, problem('not-found', 404), 'application/problem+json')).toEqual([]);
    expect(await faults('DELETE', '/v1/creators/somebody', 204, '', '')).toEqual([]);
    expect(await faults('PUT', '/v1/creators', 405, problem('method-not-allowed', 405), 'application/problem+json')).toEqual([]);
  });

  it.each<[string, Parameters<typeof faults>, RegExp]>([
    ['a route', ['GET', '/v1/secrets', 200, {}], /route is not described/],
    ['a status', ['GET', '/v1/creators', 418, {}], /status 418/],
    [
      'a status that the route does not answer',
      ['GET', '/v1/creators', 409, problem('conflict', 409), 'application/problem+json'],
      /409 conflict/,
    ],
    ['a code', ['GET', '/v1/creators/x', 404, problem('conflict', 404), 'application/problem+json'], /\/code/],
    ['a type', ['GET', '/v1/creators', 200, 'x', 'text/plain'], /type text\/plain/],
    ['a field', ['GET', '/v1/keys', 200, { data: [{ ...key, hash: 'x' }], next: null }], /"additionalProperty":"hash"/],
    ['a field that is not there', ['GET', '/v1/keys', 200, { data: [] }], /"missingProperty":"next"/],
    ['a body', ['DELETE', '/v1/keys/key_1', 204, { done: true }], /body/],
  ])('refuses %s that is not described', async (_, answer, fault) => {
    expect((await faults(...answer)).join()).toMatch(fault);
  });
});
