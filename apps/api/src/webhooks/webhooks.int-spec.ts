import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { hookEvents, startWebhookReceiver, verifyHook, waitFor, type WebhookReceiver } from '@tributary/testing';
import { ApiUnderTest, draft, type ProblemBody } from '../testing/api-under-test.js';
import { disagreementOnSecretKey } from '../delivery/secret-key.js';

interface Endpoint {
  id: string;
  secret: string;
  state: string;
  reason: string | null;
  position: string;
  publicKeys: string[];
  headers: Record<string, string>;
  lag: { positions: number; open: number };
  backlog: { events: number; oldestAt: string | null; lostAt: string | null };
}
interface Delivery {
  id: string;
  state: string;
  kind: string;
  attempts: number;
  lastStatus: number;
}
interface Attempt {
  status?: number;
  category?: string;
  latencyMs: number;
  request: { url: string; headers: Record<string, string> };
  response: { body: string };
}
interface Replay {
  id: string;
  state: string;
  progress: number;
  deliveries: { delivered: number };
}

let api: ApiUnderTest;
let receiver: WebhookReceiver;
const key = randomBytes(32).toString('base64');

const create = async (path: string, more: object = {}) =>
  (await api.call<Endpoint>('POST', '/v1/webhooks', { body: { url: receiver.url(path), timeoutMs: 1_000, ...more } })).body;
const get = async (id: string) => (await api.call<Endpoint>('GET', `/v1/webhooks/${id}`)).body;
const act = async <T = Endpoint>(id: string, action: string, body: object = {}) =>
  (await api.call<T>('POST', `/v1/webhooks/${id}/${action}`, { body })).body;
const deliveries = async (id: string, query = '') =>
  (await api.call<{ data: Delivery[] }>('GET', `/v1/webhooks/${id}/deliveries${query}`)).body.data;
const store = async (count: number) => {
  const drafts = Array.from({ length: count }, () => draft({ receivedAt: Date.now() }));
  await api.commit(drafts);
  return drafts.map(({ id }) => id);
};
const idsAt = (path: string) => receiver.of(path).flatMap((hook) => hookEvents(hook).map(({ id }) => id));
const arrived = (path: string, count: number) => waitFor(() => idsAt(path).length >= count, { what: `${count} events at ${path}` });
const refused = async (body: object, method = 'POST', path = '/v1/webhooks') => {
  const answer = await api.call<ProblemBody>(method, path, { body });
  return [answer.status, answer.body.errors?.map(({ field }) => field)];
};

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  api = await ApiUnderTest.start({ config: { webhookSecretKey: key, webhookAllowCidrs: ['127.0.0.0/8'], webhookEndpointsPerKeyMax: 500 } });
});
afterAll(async () => {
  await api.stop();
  await receiver.close();
});
beforeEach(() => {
  receiver.answer(() => undefined);
  receiver.hooks.length = 0;
});

describe('webhook endpoints', () => {
  it('get what is stored from their creation on, signed with the secret shown once', async () => {
    await store(2);
    const made = await create('/first', { description: 'mine', metadata: { team: 'a' }, headers: { 'X-Token': 'token-of-mine' } });
    expect(made).toMatchObject({
      state: 'enabled',
      headers: { 'X-Token': '***' },
      creators: null,
      ordered: false,
      maxInFlight: 10,
      batch: null,
    });
    const ids = await store(3);
    await arrived('/first', 3);
    expect(idsAt('/first').sort()).toEqual([...ids].sort());
    expect(receiver.of('/first').every((hook) => verifyHook(hook, made.secret) && hook.headers['x-token'] === 'token-of-mine')).toBe(true);
    const shown = await api.call<Endpoint>('GET', `/v1/webhooks/${made.id}`);
    expect(JSON.stringify(shown.body)).not.toContain(made.secret.slice(8));
    const { rows } = await api.pool.query<{ text: string }>('select e::text as text from webhook_endpoints e where id = $1', [made.id]);
    expect(rows[0]!.text).not.toContain(made.secret.slice(8));
    expect(rows[0]!.text).not.toContain('token-of-mine');
  });

  it('start from a position of the log where one is given', async () => {
    const { body: page } = await api.call<{ next: string }>('GET', '/v1/events?limit=1');
    const { body: rest } = await api.call<{ data: { id: string }[] }>('GET', `/v1/events?limit=1000&cursor=${page.next}`);
    await create('/from', { cursor: page.next, ordered: true });
    await arrived('/from', rest.data.length);
    expect(idsAt('/from')).toEqual(rest.data.map(({ id }) => id));
  });

  it('are made once for one Idempotency-Key, and not for another request under it', async () => {
    const send = (path: string) =>
      api.call<Endpoint & ProblemBody>('POST', '/v1/webhooks', {
        body: { url: receiver.url(path) },
        headers: { 'idempotency-key': 'order-77' },
      });
    const first = await send('/same');
    const again = await Promise.all([send('/same'), send('/same')]);
    expect(again.map(({ body }) => [body.id, body.secret])).toEqual(Array(2).fill([first.body.id, first.body.secret]));
    expect(again[0].headers.get('idempotent-replayed')).toBe('true');
    expect((await send('/other')).status).toBe(422);
    await api.call('DELETE', `/v1/webhooks/${first.body.id}`);
    expect((await send('/same')).status).toBe(409);
  });

  it.each([
    [{}, ['url']],
    [{ url: 'ftp://example.com' }, ['url']],
    [{ url: 'https://user:pass@example.com/' }, ['url']],
    [{ url: 'http://169.254.169.254/latest' }, ['url']],
    [{ url: 'http://[::1]/' }, ['url']],
    [{ url: 'https://example.com/', headers: { 'Content-Type': 'text/plain' } }, ['headers']],
    [{ url: 'https://example.com/', headers: { 'webhook-id': 'x' } }, ['headers']],
    [{ url: 'https://example.com/', headers: { 'x-a': 'one\r\nhost: two' } }, ['headers']],
    [{ url: 'https://example.com/', headers: { 'x a': 'b' } }, ['headers']],
    [{ url: 'https://example.com/', headers: { 'x-a': 'ü' } }, ['headers']],
    [{ url: 'https://example.com/', headers: { 'x-a': '1', 'X-A': '2' } }, ['headers']],
    [{ url: 'https://example.com/', batch: { maxEvents: 501 } }, ['batch.maxEvents']],
    [{ url: 'https://example.com/', batch: { maxEvents: 5, maxWaitMs: -1 } }, ['batch.maxWaitMs']],
    [{ url: 'https://example.com/', maxInFlight: 101 }, ['maxInFlight']],
    [{ url: 'https://example.com/', rateLimit: 0 }, ['rateLimit']],
    [{ url: 'https://example.com/', timeoutMs: 31_000 }, ['timeoutMs']],
    [{ url: 'https://example.com/', types: ['tiktok.live.nothing'] }, ['types']],
    [{ url: 'https://example.com/', types: ['tiktok.live.chat,tiktok.live.gift'] }, ['types']],
    [{ url: 'https://example.com/', types: [] }, ['types']],
    [{ url: 'https://example.com/', creators: [] }, ['creators']],
    [{ url: 'https://example.com/', q: '' }, ['q']],
    [{ url: 'https://example.com/', user: 5 }, ['user']],
    [{ url: 'https://example.com/', room: 'a/b' }, ['room']],
    [{ url: 'https://example.com/', since: '2026-01-01' }, ['since']],
    [{ url: 'https://example.com/', creators: ['nobody'] }, ['creators']],
    [{ url: 'https://example.com/', secret: 'whsec_short' }, ['secret']],
    [{ url: 'https://example.com/', signatures: ['v2'] }, ['signatures']],
    [{ url: 'https://example.com/', metadata: { a: 1 } }, ['metadata']],
    [{ url: 'https://example.com/', cursor: 'nonsense' }, ['cursor']],
    [{ url: 'https://example.com/', color: 'red' }, ['color']],
  ])('refuse %j, naming the field', async (body, fields) => {
    expect(await refused(body)).toEqual([400, fields]);
  });

  it('are hidden from keys without their scope', async () => {
    const reader = await api.key('read');
    expect((await api.call('GET', '/v1/webhooks', { key: reader })).status).toBe(403);
    expect((await api.call('GET', '/v1/webhooks', { key: await api.key('webhooks:write') })).status).toBe(200);
  });

  it('change by PATCH what is given, and keep the rest', async () => {
    const { id } = await create('/patched', { ordered: true, rateLimit: 5, types: ['monitor.*'], headers: { 'x-a': '1' } });
    const { body } = await api.call<Record<string, unknown>>('PATCH', `/v1/webhooks/${id}`, {
      body: { rateLimit: null, types: null, batch: { maxEvents: 10 } },
    });
    expect(body).toMatchObject({
      ordered: true,
      rateLimit: null,
      types: null,
      batch: { maxEvents: 10, maxWaitMs: 1_000 },
      headers: { 'x-a': '***' },
    });
    expect(await refused({}, 'PATCH', `/v1/webhooks/${id}`)).toEqual([400, ['url']]);
    await waitFor(
      async () => (await api.pool.query('select from webhook_cursors where id = $1 and claimed_by is not null', [id])).rowCount === 1,
    );
    const ids = await store(10);
    await arrived('/patched', 10);
    expect(receiver.of('/patched')).toHaveLength(1);
    expect(idsAt('/patched')).toEqual(ids);
  });

  it('sign with old and new secret during the grace of a rotation', async () => {
    const made = await create('/rotated', { signatures: ['v1', 'v1a'] });
    const rotated = await act<{ secret: string; publicKey: string; oldUntil: string }>(made.id, 'rotate-secret');
    expect(new Date(rotated.oldUntil).getTime()).toBeGreaterThan(Date.now() + 86_000_000);
    await store(1);
    await arrived('/rotated', 1);
    const [hook] = receiver.of('/rotated');
    expect([made.secret, rotated.secret].map((secret) => verifyHook(hook!, secret))).toEqual([true, true]);
    expect((await get(made.id)).publicKeys).toEqual([rotated.publicKey, made.publicKeys[0]]);
    await act(made.id, 'rotate-secret', { graceSeconds: 0 });
    await store(1);
    await arrived('/rotated', 2);
    expect([made.secret, rotated.secret].map((secret) => verifyHook(receiver.of('/rotated')[1]!, secret))).toEqual([false, false]);
  });

  it('can be tested in any state, with the attempt in the answer', async () => {
    receiver.answer(() => ({ status: 418, body: `short\0and stout ${'x'.repeat(40_000)}` }));
    const { id, secret } = await create('/tested');
    await act(id, 'pause');
    const { attempt, delivery } = await act<{ delivery: string; attempt: Attempt }>(id, 'test');
    expect(attempt).toMatchObject({ status: 418, category: 'status', request: { url: receiver.url('/tested') } });
    expect(attempt.response.body).toHaveLength(16_384);
    const [hook] = receiver.of('/tested');
    expect(verifyHook(hook!, secret)).toBe(true);
    expect(hookEvents(hook!)[0]!.type).toBe('tributary.test');
    expect(await deliveries(id)).toMatchObject([{ id: delivery, kind: 'test', state: 'dead', lastStatus: 418 }]);
    expect((await api.call('POST', `/v1/webhooks/${id}/test`)).status).toBe(429);
  });

  it('ask for the consent of the receiver where that is wanted', async () => {
    receiver.answer(({ method }) =>
      method === 'OPTIONS' ? { headers: { 'WebHook-Allowed-Origin': '*', 'WebHook-Allowed-Rate': '120' } } : undefined,
    );
    expect(await create('/asked', { challenge: true })).toMatchObject({ rateLimit: 2 });
    expect(receiver.of('/asked')[0]).toMatchObject({ method: 'OPTIONS', headers: { 'webhook-request-origin': 'tributary.localhost' } });
    receiver.answer(() => ({ status: 200 }));
    expect(await refused({ url: receiver.url('/refusing'), challenge: true })).toEqual([422, ['url']]);
  });
});

describe('a paused endpoint', () => {
  it('keeps its backlog, says when it will be lost, and gets it in order when it is resumed', async () => {
    const { id } = await create('/paused', { ordered: true });
    const before = await store(3);
    await arrived('/paused', 3);
    expect(await act(id, 'pause')).toMatchObject({ state: 'paused' });
    const during = await store(50);
    const shown = await get(id);
    expect(shown.backlog.events).toBe(50);
    expect(new Date(shown.backlog.lostAt!).getTime() - new Date(shown.backlog.oldestAt!).getTime()).toBe(30 * 86_400_000);
    expect(idsAt('/paused')).toEqual(before);
    await act(id, 'resume');
    await arrived('/paused', 53);
    const after = await store(2);
    await arrived('/paused', 55);
    expect(idsAt('/paused')).toEqual([...before, ...during, ...after]);
  });

  it('goes on at the head of the log when its backlog is skipped', async () => {
    const { id } = await create('/skipped', { ordered: true });
    await act(id, 'pause');
    await store(20);
    await act(id, 'resume', { backlog: 'skip' });
    const after = await store(2);
    await arrived('/skipped', 2);
    expect(idsAt('/skipped')).toEqual(after);
  });
});

describe('an endpoint that cannot be delivered to', () => {
  it('is disabled by 410, says so in the log, and goes on where it stopped when it is resumed', async () => {
    receiver.answer(({ path }) => (path === '/gone' ? { status: 410 } : undefined));
    const { id } = await create('/gone', { ordered: true, types: ['tiktok.live.*'] });
    const ids = await store(3);
    await waitFor(async () => (await get(id)).state === 'disabled', { what: 'the endpoint to be disabled' });
    expect(await get(id)).toMatchObject({ reason: 'gone', lag: { open: 3 } });
    const notice = await waitFor(
      async () =>
        (await api.call<{ data: { data: object; subject: string }[] }>('GET', '/v1/events?type=monitor.webhook')).body.data.find(
          ({ subject }) => subject === id,
        ),
      { what: 'the notice' },
    );
    expect(notice).toMatchObject({ data: { endpoint: id, reason: 'gone' } });
    receiver.answer(() => undefined);
    receiver.hooks.length = 0;
    await act(id, 'resume');
    await arrived('/gone', 3);
    expect(idsAt('/gone')).toEqual(ids);
  });

  it('shows every attempt, and takes given-up deliveries up again, one or all', async () => {
    receiver.answer(() => ({ status: 500, body: 'no' }));
    const { id } = await create('/dead', { types: ['tiktok.live.*'] });
    await store(4);
    await waitFor(async () => (await deliveries(id, '?state=open')).filter(({ attempts }) => attempts === 1).length === 4, {
      what: 'first attempts',
    });
    // The schedule takes days: it is ended here by hand.
    await api.pool.query(`update webhook_deliveries set state = 'dead', ended_at = now() where endpoint_id = $1`, [id]);
    const dead = await deliveries(id, '?state=dead');
    expect(dead).toHaveLength(4);
    const { body } = await api.call<{ data: Attempt[] }>('GET', `/v1/webhooks/${id}/deliveries/${dead[0]!.id}/attempts`);
    expect(body.data).toMatchObject([
      { status: 500, category: 'status', response: { body: 'no' }, request: { headers: { 'webhook-id': dead[0]!.id } } },
    ]);
    receiver.answer(() => undefined);
    receiver.hooks.length = 0;
    expect((await api.call('POST', `/v1/webhooks/${id}/deliveries/${dead[0]!.id}/retry`)).status).toBe(202);
    await arrived('/dead', 1);
    expect(await act(id, 'deliveries/retry')).toEqual({ retried: 3, more: false });
    await arrived('/dead', 4);
    expect(
      receiver
        .of('/dead')
        .map((hook) => hook.headers['webhook-id'])
        .sort(),
    ).toEqual(dead.map((one) => one.id).sort());
    await waitFor(async () => (await deliveries(id, '?state=delivered')).length === 4, { what: 'results' });
    expect((await deliveries(id))[0]).toMatchObject({ kind: 'retry' });
    expect((await api.call('POST', `/v1/webhooks/${id}/deliveries/${dead[0]!.id}/retry`)).status).toBe(409);
  });

  it('tries an open delivery at once when asked to', async () => {
    receiver.answer(() => ({ status: 500 }));
    const { id } = await create('/hurried');
    await store(1);
    const [open] = await waitFor(async () => {
      const list = await deliveries(id, '?state=open');
      return list[0]?.attempts === 1 ? list : undefined;
    });
    receiver.answer(() => undefined);
    await api.call('POST', `/v1/webhooks/${id}/deliveries/${open!.id}/retry`);
    await waitFor(async () => (await deliveries(id, '?state=delivered')).length === 1, { what: 'the delivery' });
  });
});

describe('a replay', () => {
  it('sends stored events again beside live ones, marked, in order, as new deliveries', async () => {
    // Without what the system itself says of the endpoints of other tests.
    const { id } = await create('/replayed', { ordered: true, types: ['tiktok.live.*'] });
    const start = new Date().toISOString();
    const ids = await store(30);
    await arrived('/replayed', 30);
    const made = await act<Replay>(id, 'replay', { since: start, rateLimit: 1_000 });
    expect((await api.call('POST', `/v1/webhooks/${id}/replay`, { body: { since: start } })).status).toBe(409);
    const live = await store(5);
    await arrived('/replayed', 65);
    const replayed = receiver.of('/replayed').filter((hook) => hook.headers['webhook-replay'] === made.id);
    expect(replayed.flatMap((hook) => hookEvents(hook).map((event) => event.id))).toEqual(ids);
    const others = receiver.of('/replayed').filter((hook) => hook.headers['webhook-replay'] === undefined);
    expect(others.flatMap((hook) => hookEvents(hook).map((event) => event.id))).toEqual([...ids, ...live]);
    expect(new Set(receiver.of('/replayed').map((hook) => hook.headers['webhook-id'])).size).toBe(65);
    await waitFor(async () => (await api.call<Replay>('GET', `/v1/webhooks/${id}/replays/${made.id}`)).body.state === 'done', {
      what: 'its end',
    });
    expect((await api.call<Replay>('GET', `/v1/webhooks/${id}/replays/${made.id}`)).body).toMatchObject({
      progress: 1,
      deliveries: { delivered: 30 },
    });
  });

  it('is no faster than its limit, and can be cancelled', async () => {
    const { id } = await create('/throttled');
    const start = new Date().toISOString();
    await store(60);
    await arrived('/throttled', 60);
    const made = await act<Replay>(id, 'replay', { since: start, rateLimit: 5 });
    await waitFor(() => receiver.of('/throttled').some((hook) => hook.headers['webhook-replay'] === made.id), { what: 'the first' });
    const began = Date.now();
    await waitFor(() => Date.now() - began > 1_000);
    expect((await api.call('DELETE', `/v1/webhooks/${id}/replays/${made.id}`)).status).toBe(204);
    const sent = receiver.of('/throttled').filter((hook) => hook.headers['webhook-replay'] === made.id).length;
    expect(sent).toBeLessThanOrEqual(14);
    expect((await api.call('DELETE', `/v1/webhooks/${id}/replays/${made.id}`)).status).toBe(409);
    expect((await api.call<Replay>('GET', `/v1/webhooks/${id}/replays/${made.id}`)).body.state).toBe('cancelled');
  });

  it('needs a span of time or a position that exists', async () => {
    const { id } = await create('/no-replay');
    expect(await refused({}, 'POST', `/v1/webhooks/${id}/replay`)).toEqual([400, ['since']]);
    expect(await refused({ since: '2999-01-01T00:00:00Z' }, 'POST', `/v1/webhooks/${id}/replay`)).toEqual([400, ['since']]);
    expect(await refused({ cursor: 'x' }, 'POST', `/v1/webhooks/${id}/replay`)).toEqual([400, ['cursor']]);
  });
});

describe('the key of the secrets', () => {
  it('must open what is stored, and must not be missing once there is something', async () => {
    expect(await disagreementOnSecretKey(api.pool, key)).toBeUndefined();
    expect(await disagreementOnSecretKey(api.pool, randomBytes(32).toString('base64'))).toContain('does not open');
    expect(await disagreementOnSecretKey(api.pool, '')).toContain('is not set');
  });
});
