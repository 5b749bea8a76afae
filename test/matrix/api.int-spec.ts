import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type HttpAdapter, newKey, type Scope, SCOPES } from '@tributary/runtime';
import { startWebhookReceiver, waitFor, type WebhookReceiver } from '@tributary/testing';
import { ApiUnderTest, draft } from '../../apps/api/src/testing/api-under-test.js';
import { API_ROUTES, type ApiRoute, type Ids, MINE, NO_IDS, pathOf, WORTH } from './api-routes.js';
import { type Answer, ask, type Cells, fill, print } from './cells.js';

/** No room of an example in the description. */
const ROOM = '7540589352666012345';
/** What no key but the owner's, or an administrator's, may be shown. */
const COMMENT = 'comment of mine';
const EVERY_SCOPE_BUT_ADMIN = SCOPES.filter((scope) => scope !== 'admin');
/** Answers of a route that let the caller in, whatever it then made of the request. */
const LET_IN = new Set([200, 201, 202, 204, 304, 400, 404, 409]);

type Page<T> = { data: T[] };
type Case = ApiRoute & { method: string; pattern: string };

let api: ApiUnderTest;
let receiver: WebhookReceiver;
/** Ids of what belongs to the owner, or is of the creator that the limited key does not see. */
let ids: Ids;
/** Keys by who sends them. */
const keys: Record<string, string | undefined> = {};

const cases = Object.entries(API_ROUTES).map(([route, expected]): [string, Case] => {
  const [method = '', pattern = ''] = route.split(' ');
  return [route, { ...expected, method, pattern }];
});
/** The same routes and, for each GET, its HEAD. */
const withHeads = cases.flatMap(([name, one]): [string, Case][] => {
  const head: [string, Case] = [name.replace('GET', 'HEAD'), { ...one, method: 'HEAD' }];
  return one.method === 'GET' ? [[name, one], head] : [[name, one]];
});

const headersOf = (caller: string): Record<string, string> => {
  const key = keys[caller];
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
};
const send = ({ method, pattern, body }: Pick<Case, 'method' | 'pattern' | 'body'>, caller: string, of: Ids): Promise<Answer> =>
  ask(api.url + pathOf(pattern, of), method, headersOf(caller), body);

beforeAll(async () => {
  receiver = await startWebhookReceiver({ answer: () => ({ status: 500 }) });
  api = await ApiUnderTest.start({
    config: {
      apiRatePerMinute: 1_000_000,
      // One address sends all the wrong keys.
      wrongKeysPerMinute: 1_000_000,
      webhookSecretKey: randomBytes(32).toString('base64'),
      webhookAllowCidrs: ['127.0.0.0/8'],
      retentionDays: 3_650,
    },
  });
  const [expiring, revoked] = [
    await api.makeKey(EVERY_SCOPE_BUT_ADMIN, { expiresAt: new Date(Date.now() + 3_600_000).toISOString() }),
    await api.makeKey(EVERY_SCOPE_BUT_ADMIN),
  ];
  for (const { key } of [expiring, revoked])
    if ((await api.call('GET', '/v1/me', { key })).status !== 200) throw new Error('a key that was just made is not taken');
  await api.call('DELETE', `/v1/keys/${revoked.id}`);
  await api.pool.query(`update api_keys set expires_at = now() - interval '1 second' where id = $1`, [expiring.id]);
  await api.pool.query(`update projection_versions set version = version + 1 where name = 'keys'`);
  const add = async (uniqueId: string) => (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId } })).body.id;
  const [creator] = [await add(MINE), await add('seen.by.limited')];
  const owner = await api.makeKey(EVERY_SCOPE_BUT_ADMIN);
  Object.assign(keys, {
    bad: newKey(),
    revoked: revoked.key,
    expired: expiring.key,
    ...Object.fromEntries(await Promise.all(SCOPES.map(async (scope) => [scope, await api.key(scope)]))),
    limited: (await api.makeKey(EVERY_SCOPE_BUT_ADMIN, { creators: ['seen.by.limited'] })).key,
    other: await api.key(...EVERY_SCOPE_BUT_ADMIN),
    owner: owner.key,
    operator: api.adminKey,
  });
  ids = { ...NO_IDS, problem: 'conflict', creator, room: ROOM, key: (await api.makeKey(['read'])).id, ...(await makeRecords(creator)) };
  await waitFor(async () => (await api.call('GET', '/v1/me', { key: keys.expired })).status === 401, { what: 'the key to expire' });
});
afterAll(async () => {
  await api?.stop();
  await receiver?.close();
});

/** Events, a session, an endpoint of the owner with a delivery that fails, and a replay that goes on. */
async function makeRecords(creatorId: string): Promise<Pick<Ids, 'event' | 'webhook' | 'delivery' | 'replay'>> {
  const own = <T>(method: string, path: string, body?: object) => api.call<T>(method, path, { key: keys.owner, body });
  const { id: webhook } = (await own<{ id: string }>('POST', '/v1/webhooks', { url: receiver.url('/mine') })).body;
  const drafts = Array.from({ length: 60 }, () => draft({ creatorId, handle: MINE, roomId: ROOM, data: { comment: COMMENT } }));
  await api.commit([draft({ creatorId, handle: MINE, roomId: ROOM, type: 'monitor.live', data: { roomId: ROOM } }), ...drafts]);
  const path = `/v1/webhooks/${webhook}`;
  const delivery = await waitFor(async () => (await own<Page<{ id: string }>>('GET', `${path}/deliveries`)).body.data[0]?.id, {
    what: 'a delivery',
  });
  const { id: replay } = (await own<{ id: string }>('POST', `${path}/replay`, { since: '2026-11-20T00:00:00Z', rateLimit: 1 })).body;
  await waitFor(async () => (await api.call('GET', `/v1/sessions/${ROOM}`)).status === 200, { what: 'the session' });
  return { event: drafts[0]!.id, webhook, delivery, replay };
}

describe('the routes of the API', () => {
  it('are those that this table declares, each GET with its HEAD, and there is no door beside them', () => {
    const served = (api.app.getHttpAdapter() as unknown as HttpAdapter).routeTable
      .list()
      .map(({ method, pattern }) => `${method} ${pattern}`);
    expect(served.sort()).toEqual(withHeads.map(([name]) => name).sort());
    // A WebSocket passes by the router and its hooks.
    expect(api.app.getHttpServer().listenerCount('upgrade')).toBe(0);
  });

  it('ask for the scopes that this table declares, by what the guard reads and the description says', async () => {
    const { body } = await api.call<{ paths: Record<string, Record<string, { security: Record<string, string[]>[] }>> }>(
      'GET',
      '/openapi.json',
    );
    const declared = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => [
        `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
        security.length === 0 ? 'nothing' : (security[0]!.key ?? []),
      ]),
    );
    const expected = cases
      .filter(([, { pattern }]) => /^\/(?:v1|problems)\//.test(pattern))
      .map(([name, { needs }]) => [name, needs === 'a key' ? [] : needs]);
    expect(Object.fromEntries(declared)).toEqual(Object.fromEntries(expected));
  });
});

describe('who is let in', () => {
  const WRONG = ['none', 'bad', 'revoked', 'expired'];
  const isLetIn = ({ needs }: ApiRoute, caller: string) => {
    if (needs === 'nothing') return true;
    return needs === 'a key' || needs.every((scope) => WORTH[caller as Scope].includes(scope));
  };
  const expectedOf = (route: Case, caller: string) => {
    if (route.needs === 'nothing') return 'in';
    if (WRONG.includes(caller)) return '401';
    return isLetIn(route, caller) ? 'in' : '403';
  };
  const judge = ({ status, code }: Answer, method: string) => {
    if (LET_IN.has(status)) return 'in';
    const refusals: Record<number, string> = { 401: 'unauthorized', 403: 'missing-scope' };
    const expected = refusals[status];
    return expected !== undefined && (method === 'HEAD' || code === expected) ? String(status) : `${status} ${code}`;
  };

  it('is told for every scope that there is', () => {
    expect(Object.keys(WORTH)).toEqual([...SCOPES]);
  });

  it('on every route and method, is whoever has a key in force with the scopes of the route, and nobody else', async () => {
    const callers = [...WRONG, ...SCOPES];
    // Nothing has these ids, and no body is sent: who is let in changes nothing.
    const cells = await fill(withHeads, callers, async (route, caller) =>
      judge(await send({ ...route, body: undefined }, caller, NO_IDS), route.method),
    );
    print('API: who is let in', cells);
    const expected: Cells = Object.fromEntries(
      withHeads.map(([name, route]) => [name, Object.fromEntries(callers.map((caller) => [caller, expectedOf(route, caller)]))]),
    );
    expect(cells).toEqual(expected);
  });

  it('is told by no answer to a method that a path does not take, whatever the key, and whether the thing is there or not', async () => {
    const patterns = [...new Set(cases.map(([, { pattern }]) => pattern))];
    const asking: [string, Ids][] = [
      ['none', NO_IDS],
      ['none', ids],
      ['bad', ids],
      ['operator', ids],
    ];
    for (const pattern of patterns) {
      // A fixed part of a path may be a name too: `batch` is one that a creator may have.
      const takes = (route: Case) => new RegExp(`^${route.pattern.replace(/:\w+/g, '[^/]+')}$`).test(pathOf(pattern, ids));
      const methods = withHeads.flatMap(([, route]) => (takes(route) ? [route.method] : []));
      const allow = [...[...new Set(methods)].sort(), 'OPTIONS'].join(', ');
      for (const [caller, of] of asking) {
        const path = api.url + pathOf(pattern, of);
        const page = { ...headersOf(caller), origin: 'https://page.example', 'access-control-request-method': 'GET' };
        const [options, refused] = [await ask(path, 'OPTIONS', page), await ask(path, 'PUT', headersOf(caller))];
        const told = [
          options.status,
          options.headers.get('allow'),
          options.text,
          refused.status,
          refused.headers.get('allow'),
          refused.code,
        ];
        expect([pattern, caller, ...told]).toEqual([pattern, caller, 204, allow, '', 405, allow, 'method-not-allowed']);
        expect([...options.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
      }
    }
    expect((await ask(`${api.url}/v1/nothing`, 'OPTIONS')).status).toBe(404);
  });
});

describe('what belongs to somebody else', () => {
  const MARKS = () => [MINE, COMMENT, receiver.url('/mine'), ...Object.values({ ...ids, problem: COMMENT, key: COMMENT })];
  /** What of the owner's is in an answer, but for what the request named itself. */
  const leaks = (route: Case, { text }: Answer) => {
    const asked = `${pathOf(route.pattern, ids)} ${JSON.stringify(route.body ?? {})}`;
    // Metrics name endpoints by their ids, which open nothing.
    const allowed = route.pattern === '/metrics' ? [ids.webhook] : [];
    return MARKS().filter((mark) => text.includes(mark) && !asked.includes(mark) && !allowed.includes(mark));
  };
  /** All that refused callers tried to change. */
  const records = async () => {
    const get = async <T>(path: string) => (await api.call<T>('GET', path)).body;
    const { paused, options } = await get<{ paused: boolean; options: object }>(`/v1/creators/${ids.creator}`);
    const { url, state, owner, description } = await get<Record<string, unknown>>(`/v1/webhooks/${ids.webhook}`);
    const replays = (await get<Page<{ id: string; state: string }>>(`/v1/webhooks/${ids.webhook}/replays`)).data;
    const listed = (await get<Page<{ id: string }>>('/v1/keys')).data.map(({ id }) => id);
    return { paused, options, url, state, owner, description, replays: replays.map((one) => [one.id, one.state]), keys: listed };
  };

  it.each([
    ['a key that is limited to another creator', 'limited', (route: Case) => route.limited],
    ['another key', 'other', (route: Case) => (route.pattern.startsWith('/v1/webhooks') ? route.other : undefined)],
  ] as const)('%s gets nothing of it on any route, and changes nothing of it', async (_, caller, statusOf) => {
    const asked = caller === 'limited' ? withHeads : withHeads.filter(([, { pattern }]) => pattern.startsWith('/v1/webhooks'));
    const before = await records();
    const cells = await fill(asked, [caller], async (route) => {
      const answer = await send(route, caller, ids);
      return [answer.status, ...leaks(route, answer)].join(' ');
    });
    print(`API: what ${caller} gets of somebody else's`, cells);
    const statuses = asked.map(([name, route]) => {
      const isAdmins = Array.isArray(route.needs) && route.needs.includes('admin');
      return [name, { [caller]: String(isAdmins ? 403 : (statusOf(route) ?? route.own)) }];
    });
    expect(cells).toEqual(Object.fromEntries(statuses));
    expect(await records()).toEqual(before);
  });

  it('is there for its owner on every route, so that the refusals above say something', async () => {
    const order = (['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'] as const).flatMap((method) => {
      const those = withHeads.filter(([, route]) => route.method === method);
      return method === 'DELETE' ? those.reverse() : those;
    });
    expect(order).toHaveLength(withHeads.length);
    const cells = await fill(order, ['owner'], async (route) => {
      const isAdmins = Array.isArray(route.needs) && route.needs.includes('admin');
      return String((await send(route, isAdmins ? 'operator' : 'owner', ids)).status);
    });
    print('API: what the owner gets', cells);
    expect(cells).toEqual(Object.fromEntries(order.map(([name, { own }]) => [name, { owner: String(own) }])));
  });
});
