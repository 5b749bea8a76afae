import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiUnderTest } from '../testing/api-under-test.js';

const PAGE = 'https://overlay.example';
const OTHER = 'https://evil.example';
/** One path of each resource, and the live stream. */
const PATHS = [
  '/v1/creators',
  '/v1/creators/somebody',
  '/v1/events',
  '/v1/sessions',
  '/v1/stream',
  '/v1/status',
  '/v1/webhooks',
  '/v1/keys',
];

const preflight = (api: ApiUnderTest, path: string, origin: string, method = 'GET') =>
  fetch(api.url + path, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type' },
  });
const corsHeaders = ({ headers }: Response) => [...headers.keys()].filter((name) => name.startsWith('access-control-'));

describe('an API that allows one origin', () => {
  let api: ApiUnderTest;
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { apiOrigins: [PAGE] } });
  });
  afterAll(() => api.stop());
  const ask = (path: string, origin: string, init: RequestInit = {}) =>
    fetch(api.url + path, { ...init, headers: { origin, authorization: `Bearer ${api.adminKey}`, ...init.headers } });

  it('answers a preflight of that origin on every resource, without a key', async () => {
    for (const path of PATHS) {
      const answer = await preflight(api, path, PAGE, 'POST');
      expect({ path, status: answer.status, origin: answer.headers.get('access-control-allow-origin') }).toEqual({
        path,
        status: 204,
        origin: PAGE,
      });
      expect(answer.headers.get('access-control-allow-methods')).toBe('GET, HEAD, POST, PATCH, DELETE');
      expect(answer.headers.get('access-control-allow-headers')?.split(', ')).toEqual(
        expect.arrayContaining(['authorization', 'x-api-key', 'content-type', 'idempotency-key', 'last-event-id']),
      );
      expect(answer.headers.get('access-control-max-age')).toBe('600');
      expect(answer.headers.get('vary')).toBe('Origin');
    }
  });

  it('allows no other origin, none that looks like it, and never all of them or cookies', async () => {
    for (const origin of [OTHER, 'null', '*', `${PAGE}.evil.example`, 'http://overlay.example', `${PAGE}:8443`, `${PAGE}/`, '']) {
      for (const answer of [await preflight(api, '/v1/events', origin), await ask('/v1/events', origin)]) {
        expect({ origin, headers: corsHeaders(answer) }).toEqual({ origin, headers: [] });
        expect(answer.headers.get('vary')).toBe('Origin');
      }
    }
    for (const answer of [await preflight(api, '/v1/events', PAGE), await ask('/v1/events', PAGE)]) {
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
      expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE);
    }
  });

  it('lets the page read answers, why it was refused, and what it may do now', async () => {
    const answers: [Response, number][] = [
      [await ask('/v1/events', PAGE), 200],
      [await ask('/v1/events?limit=0', PAGE), 400],
      [await ask('/v1/events', PAGE, { headers: { authorization: '' } }), 401],
      [await ask('/v1/creators/nobody', PAGE), 404],
      [await ask('/v1/creators', PAGE, { method: 'PUT' }), 405],
      [await ask('/v1/creators', PAGE, { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } }), 415],
    ];
    for (const [answer, status] of answers) {
      expect(answer.status).toBe(status);
      expect({ status, origin: answer.headers.get('access-control-allow-origin') }).toEqual({ status, origin: PAGE });
      const exposed = answer.headers.get('access-control-expose-headers')?.split(', ');
      expect(exposed).toEqual(expect.arrayContaining(['x-request-id', 'retry-after', 'ratelimit-remaining']));
    }
  });

  it('lets the page follow the live stream', async () => {
    const gone = new AbortController();
    const answer = await ask('/v1/stream', PAGE, { signal: gone.signal });
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE);
    expect(answer.headers.get('vary')).toBe('Origin');
    gone.abort();
  });

  it('keeps the dashboard, health and metrics to their own origin', async () => {
    for (const path of ['/', '/healthz', '/readyz', '/metrics', '/docs'])
      expect({ path, headers: corsHeaders(await ask(path, PAGE)) }).toEqual({ path, headers: [] });
  });
});

describe('an API without allowed origins', () => {
  let api: ApiUnderTest;
  beforeAll(async () => {
    api = await ApiUnderTest.start();
  });
  afterAll(() => api.stop());

  it('lets no page of another origin in, and still says by OPTIONS what a path takes', async () => {
    const answer = await preflight(api, '/v1/creators', PAGE);
    expect([answer.status, answer.headers.get('allow'), corsHeaders(answer)]).toEqual([204, 'GET, HEAD, POST, OPTIONS', []]);
    expect(corsHeaders(await fetch(`${api.url}/v1/events`, { headers: { origin: PAGE } }))).toEqual([]);
    expect((await preflight(api, '/v1/nothing', PAGE)).status).toBe(404);
  });
});
