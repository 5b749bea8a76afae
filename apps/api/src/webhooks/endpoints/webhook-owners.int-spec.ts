import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Scope } from '@tributary/runtime';
import { hookEvents, startWebhookReceiver, verifyHook, waitFor, type WebhookReceiver } from '@tributary/testing';
import { ApiUnderTest, draft, type ProblemBody } from '../../testing/api-under-test.js';

interface Endpoint {
  id: string;
  owner: string | null;
  secret?: string;
  state: string;
  reason: string | null;
  creators: string[] | null;
  headers: Record<string, string>;
}
interface Key {
  id: string;
  key: string;
}

const SCOPES: Scope[] = ['webhooks:write', 'read'];
/** What the documentation promises for a key that is revoked. */
const PROMISED_MS = 2_000;

let api: ApiUnderTest;
let receiver: WebhookReceiver;
let elsewhere: WebhookReceiver;
let luna: string;
let other: string;

const send = <T = Endpoint & ProblemBody>(key: string, method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  api.call<T>(method, `/v1/webhooks${path}`, { key, body, headers });
const create = async (key: string, path: string, more: object = {}) => {
  const { status, body } = await send(key, 'POST', '', { url: receiver.url(path), ...more });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body as Endpoint & { secret: string };
};
const shown = async (id: string) => (await api.call<Endpoint>('GET', `/v1/webhooks/${id}`)).body;
const store = async (creatorId: string, count = 1) => {
  const drafts = Array.from({ length: count }, () => draft({ creatorId, receivedAt: Date.now() }));
  await api.commit(drafts);
  return drafts.map(({ id }) => id);
};
const idsAt = (path: string, at = receiver) => at.of(path).flatMap((hook) => hookEvents(hook).map(({ id }) => id));
const arrived = (path: string, ids: readonly string[]) =>
  waitFor(
    () => {
      const got = new Set(idsAt(path));
      return ids.every((id) => got.has(id));
    },
    { what: `${ids.length} events at ${path}` },
  );

beforeAll(async () => {
  [receiver, elsewhere] = await Promise.all([startWebhookReceiver(), startWebhookReceiver()]);
  api = await ApiUnderTest.start({
    config: { webhookSecretKey: randomBytes(32).toString('base64'), webhookAllowCidrs: ['127.0.0.0/8'], webhookEndpointsPerKeyMax: 3 },
  });
  const add = async (uniqueId: string) => (await api.call<{ id: string }>('POST', '/v1/creators', { body: { uniqueId } })).body.id;
  [luna, other] = [await add('luna'), await add('other')];
});
afterAll(async () => {
  await api.stop();
  await receiver.close();
  await elsewhere.close();
});
beforeEach(() => {
  for (const one of [receiver, elsewhere]) one.hooks.length = 0;
  receiver.answer(() => undefined);
});

describe('an endpoint of another key', () => {
  let mine: Key;
  let theirs: Key;
  let id: string;
  beforeAll(async () => {
    [mine, theirs] = [await api.makeKey(SCOPES), await api.makeKey(SCOPES)];
    ({ id } = await create(theirs.key, '/theirs', { headers: { 'x-token': 'theirs' } }));
  });

  it('is, on every route there is below it, as one that there is not', async () => {
    const { body: document } = await api.call<{ paths: Record<string, Record<string, object>> }>('GET', '/openapi.json', { key: null });
    const routes = Object.entries(document.paths)
      .filter(([path]) => path.startsWith('/v1/webhooks/{id}'))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => [method.toUpperCase(), path] as const));
    expect(routes.length).toBeGreaterThan(15);
    for (const [method, path] of routes) {
      const rest = path.slice('/v1/webhooks/{id}'.length).replace(/\{\w+\}/g, 'x');
      const bodies = method === 'POST' || method === 'PATCH' ? [{}, { url: elsewhere.url('/stolen'), nonsense: 1 }] : [undefined];
      for (const body of bodies) {
        const answers = [];
        for (const wanted of [id, 'wh_nobodys']) {
          const { status, body: problem } = await send<ProblemBody>(mine.key, method, `/${wanted}${rest}`, body);
          answers.push({ status, detail: problem.detail.replace(wanted, 'ID') });
        }
        expect({ method, path, answers }).toEqual({
          method,
          path,
          answers: Array(2).fill({ status: 404, detail: 'there is no webhook endpoint ID' }),
        });
      }
    }
    expect(await shown(id)).toMatchObject({ state: 'enabled', headers: { 'x-token': '***' }, owner: theirs.id });
  });

  it('is in nobody else’s list, and in that of an administrator', async () => {
    const own = await create(mine.key, '/mine');
    const listed = async (key: string) => (await send<{ data: Endpoint[] }>(key, 'GET', '')).body.data.map((one) => one.id);
    expect(await listed(mine.key)).toEqual([own.id]);
    expect(await listed(theirs.key)).toEqual([id]);
    expect(await listed(api.adminKey)).toEqual(expect.arrayContaining([own.id, id]));
    expect((await send(await api.key('webhooks:read'), 'GET', '')).body).toMatchObject({ data: [], next: null });
  });

  it('counts for its own key’s number alone', async () => {
    const key = await api.key(...SCOPES);
    for (let i = 0; i < 3; i++) await create(key, '/many');
    expect((await send(key, 'POST', '', { url: receiver.url('/many') })).body.code).toBe('limit-reached');
    expect((await send(await api.key(...SCOPES), 'POST', '', { url: receiver.url('/many') })).status).toBe(201);
  });
});

describe('a changed address', () => {
  it.each(['another port', 'another host', 'another scheme'])('of %s takes neither headers nor secrets of before along', async (kind) => {
    const { key } = await api.makeKey(SCOPES);
    const before = await create(key, '/before', { headers: { 'x-token': 'for the first alone' }, signatures: ['v1', 'v1a'] });
    await send(key, 'POST', `/${before.id}/rotate-secret`, {});
    const url = new URL(elsewhere.url('/after'));
    if (kind === 'another host') url.hostname = 'localhost';
    if (kind === 'another scheme') Object.assign(url, { protocol: 'https:', port: new URL(receiver.url('/')).port, hostname: '127.0.0.1' });
    const { status, body } = await send(key, 'PATCH', `/${before.id}`, { url: url.href });
    expect([status, body.headers]).toEqual([200, {}]);
    expect(body.secret).toMatch(/^whsec_/);
    expect(body.secret).not.toBe(before.secret);
    if (kind === 'another scheme') return;
    await send(key, 'POST', `/${before.id}/test`);
    const [hook] = elsewhere.of('/after');
    expect(hook?.headers['x-token']).toBeUndefined();
    expect(verifyHook(hook!, body.secret!)).toBe(true);
    expect(verifyHook(hook!, before.secret)).toBe(false);
    expect(String(hook?.headers['webhook-signature']).split(' ')).toHaveLength(2);
  });

  it('of the same origin takes them along, and new headers go to a new one', async () => {
    const { key } = await api.makeKey(SCOPES);
    const before = await create(key, '/one', { headers: { 'x-token': 'kept' } });
    const same = await send(key, 'PATCH', `/${before.id}`, { url: receiver.url('/two') });
    expect(same.body).toMatchObject({ headers: { 'x-token': '***' } });
    expect(same.body.secret).toBeUndefined();
    await send(key, 'POST', `/${before.id}/test`);
    expect(receiver.of('/two')[0]?.headers['x-token']).toBe('kept');
    expect(verifyHook(receiver.of('/two')[0]!, before.secret)).toBe(true);
    const moved = await send(key, 'PATCH', `/${before.id}`, { url: elsewhere.url('/three'), headers: { 'x-token': 'new' } });
    expect(moved.body).toMatchObject({ headers: { 'x-token': '***' }, secret: expect.stringMatching(/^whsec_/) });
  });
});

describe('a key without `read`', () => {
  it('gets no event by webhooks, in any way', async () => {
    const { key } = await api.makeKey(['webhooks:write']);
    // As a version before left it: made when `read` was not asked for.
    const { id } = await create(api.adminKey, '/old', { creators: [luna] });
    const { id: keyId } = (await api.call<{ id: string }>('GET', '/v1/me', { key })).body;
    await api.pool.query('update webhook_endpoints set key_id = $2 where id = $1', [id, keyId]);
    await store(luna, 2);
    await waitFor(() => receiver.of('/old').length === 2, { what: 'both deliveries' });
    const delivery = await waitFor(
      async () => (await api.call<{ data: { id: string }[] }>('GET', `/v1/webhooks/${id}/deliveries`)).body.data[0]?.id,
    );
    for (const [method, path, body] of [
      ['POST', '', { url: receiver.url('/new') }],
      ['PATCH', `/${id}`, { types: null }],
      ['POST', `/${id}/replay`, { since: '2026-01-01T00:00:00Z' }],
      ['POST', `/${id}/resume`, {}],
      ['POST', `/${id}/deliveries/retry`, {}],
      ['POST', `/${id}/deliveries/${delivery}/retry`, {}],
      ['GET', `/${id}/deliveries`],
      ['GET', `/${id}/deliveries/${delivery}`],
      ['GET', `/${id}/deliveries/${delivery}/attempts`],
    ] as const) {
      const answer = await send<ProblemBody & { neededScope: string }>(key, method, path, body);
      expect([method, path, answer.status, answer.body.neededScope]).toEqual([method, path, 403, 'read']);
    }
    receiver.hooks.length = 0;
    expect((await send(key, 'POST', `/${id}/test`)).status).toBe(200);
    expect(hookEvents(receiver.of('/old')[0]!).map(({ type }) => type)).toEqual(['tributary.test']);
    expect((await send(key, 'POST', `/${id}/pause`)).status).toBe(200);
    expect((await send(key, 'POST', `/${id}/rotate-secret`, {})).status).toBe(200);
    expect((await send(key, 'DELETE', `/${id}`)).status).toBe(204);
  });
});

describe('an endpoint of a key that is limited to creators', () => {
  it('gets their events alone, with a filter and without: live, by replay, and counted', async () => {
    const since = new Date().toISOString();
    const limited = await api.makeKey(SCOPES, { creators: ['luna'] });
    const all = await create(limited.key, '/all');
    const some = await create(limited.key, '/some', { creators: ['luna'], types: ['tiktok.live.chat'] });
    expect([all.creators, some.creators]).toEqual([null, [luna]]);
    for (const creators of [['other'], ['luna', 'other'], [other]])
      expect((await send(limited.key, 'POST', '', { url: receiver.url('/x'), creators })).body.errors?.[0]?.field).toBe('creators');
    expect((await send(limited.key, 'PATCH', `/${some.id}`, { creators: ['other'] })).body.errors?.[0]?.field).toBe('creators');
    expect((await send(limited.key, 'PATCH', `/${some.id}`, { creators: null })).status).toBe(200);
    await store(other, 3);
    const own = await store(luna, 2);
    await Promise.all([arrived('/all', own), arrived('/some', own)]);
    receiver.hooks.length = 0;
    expect((await send(limited.key, 'POST', `/${all.id}/replay`, { since })).status).toBe(201);
    await arrived('/all', own);
    await send(limited.key, 'POST', `/${all.id}/pause`);
    await store(other, 4);
    await store(luna, 1);
    const { backlog } = (await send<{ backlog: { events: number } }>(limited.key, 'GET', `/${all.id}`)).body;
    expect(backlog.events).toBe(1);
    const sent = [...receiver.of('/all'), ...receiver.of('/some')].map(({ body }) => (JSON.parse(body) as { subject: string }).subject);
    expect(new Set(sent)).toEqual(new Set([luna]));
  });

  it('is judged when an attempt is made too: what it was to get before, and may not now, is not sent', async () => {
    const limited = await api.makeKey(SCOPES, { creators: ['luna', 'other'] });
    receiver.answer(() => ({ status: 500 }));
    const { id } = await create(limited.key, '/judged');
    const ids = [...(await store(other)), ...(await store(luna))];
    await arrived('/judged', ids);
    const open = async () =>
      (await api.call<{ data: { id: string; state: string; attempts: number }[] }>('GET', `/v1/webhooks/${id}/deliveries`)).body.data;
    await waitFor(async () => (await open()).filter(({ attempts }) => attempts === 1).length === 2, { what: 'both to have failed' });
    // Keys do not change by any route; whatever changes one, the next attempt goes by it.
    await api.pool.query(`update api_keys set restriction = jsonb_build_object('creators', jsonb_build_array($2::text)) where id = $1`, [
      limited.id,
      luna,
    ]);
    receiver.hooks.length = 0;
    receiver.answer(() => undefined);
    for (const delivery of await open()) await send(limited.key, 'POST', `/${id}/deliveries/${delivery.id}/retry`);
    await waitFor(async () => (await open()).every(({ state }) => state !== 'open'), { what: 'both to have ended' });
    expect((await open()).map(({ state }) => state).sort()).toEqual(['cancelled', 'delivered']);
    expect(idsAt('/judged')).toEqual([ids[1]]);
  });
});

describe('an endpoint whose key ends', () => {
  it.each(['revoked', 'expired'])('stops within 2 s when it is %s, keeps what waits, and goes on for another owner', async (how) => {
    const expiresAt = new Date(Date.now() + 3_000);
    const owner = await api.makeKey(SCOPES, how === 'expired' ? { expiresAt: expiresAt.toISOString() } : {});
    const { id } = await create(owner.key, `/${how}`, { ordered: true });
    await arrived(`/${how}`, await store(luna));
    if (how === 'revoked') await api.call('DELETE', `/v1/keys/${owner.id}`);
    else await waitFor(() => Date.now() >= expiresAt.getTime(), { what: 'its end' });
    const ended = Date.now();
    const after: string[] = [];
    while (Date.now() < ended + PROMISED_MS) after.push(...(await store(luna)));
    const late = await store(luna);
    await waitFor(async () => (await shown(id)).state === 'disabled', { what: 'it to be disabled' });
    expect(await shown(id)).toMatchObject({ reason: 'owner' });
    expect(receiver.of(`/${how}`).filter(({ at }) => at > ended + PROMISED_MS)).toEqual([]);
    expect((await api.call<ProblemBody>('POST', `/v1/webhooks/${id}/resume`)).body.code).toBe('conflict');

    const heir = await api.makeKey(SCOPES);
    expect((await api.call<Endpoint>('PATCH', `/v1/webhooks/${id}`, { body: { owner: heir.id } })).body.owner).toBe(heir.id);
    expect((await send(heir.key, 'POST', `/${id}/resume`)).status).toBe(200);
    await arrived(`/${how}`, [...after, ...late]);
  });

  it('was made by an administrator: it is the operator’s, and outlives the key', async () => {
    const admin = await api.makeKey(['admin']);
    const { id, owner } = await create(admin.key, '/operator');
    expect(owner).toBeNull();
    await api.call('DELETE', `/v1/keys/${admin.id}`);
    const began = Date.now();
    await waitFor(() => Date.now() > began + PROMISED_MS);
    await arrived('/operator', await store(luna));
    expect((await shown(id)).state).toBe('enabled');
  });
});

describe('another owner', () => {
  it('is named by administrators only, and is a key that may see all that was delivered', async () => {
    const [owner, heir] = [await api.makeKey(SCOPES), await api.makeKey(SCOPES)];
    const { id } = await create(owner.key, '/given');
    const give = (to: string | null, key = api.adminKey) => send(key, 'PATCH', `/${id}`, { owner: to });
    expect((await give(heir.id, owner.key)).body).toMatchObject({ code: 'missing-scope', neededScope: 'admin' });
    const limited = await api.makeKey(SCOPES, { creators: ['luna'] });
    const [reader, writer] = [await api.makeKey(['read', 'webhooks:read']), await api.makeKey(['webhooks:write'])];
    for (const to of ['key_nobody', limited.id, reader.id, writer.id]) expect((await give(to)).body.errors?.[0]?.field).toBe('owner');
    expect((await give(heir.id)).body.owner).toBe(heir.id);
    expect((await send(owner.key, 'GET', `/${id}`)).status).toBe(404);
    expect((await send(heir.key, 'GET', `/${id}`)).status).toBe(200);
    expect((await give(null)).body.owner).toBeNull();
    expect((await send(heir.key, 'GET', `/${id}`)).status).toBe(404);
  });

  it('of a limited key’s endpoint is limited to no fewer creators', async () => {
    const narrow = await api.makeKey(SCOPES, { creators: ['luna'] });
    const wide = await api.makeKey(SCOPES, { creators: ['luna', 'other'] });
    const { id } = await create(wide.key, '/narrowed');
    const give = (to: string) => send(api.adminKey, 'PATCH', `/${id}`, { owner: to });
    expect((await give(narrow.id)).body.errors?.[0]?.field).toBe('owner');
    const same = await api.makeKey(SCOPES, { creators: ['other', 'luna'] });
    expect((await give(same.id)).body.owner).toBe(same.id);
    expect((await send(api.adminKey, 'PATCH', `/${id}`, { creators: ['luna'] })).status).toBe(200);
  });

  it('gets a secret that who made it does not get again', async () => {
    const [owner, heir] = [await api.makeKey(SCOPES), await api.makeKey(SCOPES)];
    const repeat = () => send(owner.key, 'POST', '', { url: receiver.url('/again') }, { 'idempotency-key': 'again-1' });
    const { id } = (await repeat()).body;
    expect((await repeat()).body.id).toBe(id);
    await send(api.adminKey, 'PATCH', `/${id}`, { owner: heir.id });
    const answer = await repeat();
    expect([answer.status, answer.body.secret]).toEqual([409, undefined]);
  });
});
