import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createDatabase, type FaultProxy, Simulator, startProxy, testServers, waitFor } from '@tributary/testing';
import { ApiUnderTest } from '../apps/api/src/testing/api-under-test.js';
import { type RunningSigner, startSigner } from '../apps/signer/src/testing/start-signer.js';

/** What the documentation promises, from the answer to the revocation on. */
const PROMISED_MS = 2_000;

let simulator: Simulator;
let database: Awaited<ReturnType<typeof createDatabase>>;
let proxy: FaultProxy;
let api: ApiUnderTest;
let other: ApiUnderTest;
let signer: RunningSigner;
let id: string;
let key: string;

beforeAll(async () => {
  simulator = await new Simulator({ rooms: [{ uniqueId: 'luna.bakes' }] }).start();
  database = await createDatabase();
  proxy = await startProxy(testServers().redisUrl);
  // The first api alone may lose its Redis; the signer reaches it by itself.
  api = await ApiUnderTest.start({ database: { ...database, drop: () => Promise.resolve() }, redisUrl: proxy.url });
  signer = await startSigner({
    mode: 'production',
    signTokenSecret: 'a secret of more than thirty-two characters',
    redisPrefix: api.config.redisPrefix,
    signProviders: ['simulator'],
    tiktokWebUrl: simulator.url,
    tiktokWebcastUrl: simulator.url,
    tiktokSocketUrl: simulator.socketUrl,
  });
});
afterAll(async () => {
  await api.stop();
  await signer.stop();
  await proxy.close();
  await database.drop();
  await simulator.stop();
});
beforeEach(async () => {
  ({ id, key } = await api.makeKey(['read', 'sign']));
  await waitFor(async () => (await signs()) === 200, { what: 'the signer to know the key' });
});
afterEach(() => proxy.heal());

const signs = async (credential = key) => {
  const room = simulator.room('luna.bakes')?.roomId ?? '';
  return (await fetch(`${signer.url}/webcast/rooms/${room}/connect`, { headers: { 'x-api-key': credential } })).status;
};
const reads = async (process = api) => (await process.call('GET', '/v1/events?limit=1', { key })).status;
const revoke = () => api.call('DELETE', `/v1/keys/${id}`);

/** How long after `since` the key was last accepted by any of `asked`; they are asked until all refuse it three times in a row. */
async function acceptedFor(since: number, ...asked: (() => Promise<number>)[]): Promise<number> {
  let last = since;
  for (let refused = 0; refused < 3;) {
    const began = Date.now();
    const statuses = await Promise.all(asked.map((ask) => ask()));
    if (statuses.includes(200)) last = began;
    refused = statuses.every((status) => status === 401) ? refused + 1 : 0;
    if (Date.now() - since > 20_000) throw new Error(`still ${statuses.join()} after 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return last - since;
}

describe('a revoked key works for less than 2 s', () => {
  it('on every api process and on the signer, whichever process revoked it', async () => {
    other = await ApiUnderTest.start({ database: { ...database, drop: () => Promise.resolve() } });
    try {
      await waitFor(async () => (await reads(other)) === 200);
      expect((await revoke()).status).toBe(204);
      expect(await reads()).toBe(401);
      expect(
        await acceptedFor(
          Date.now(),
          () => signs(),
          () => reads(other),
        ),
      ).toBeLessThan(PROMISED_MS);
    } finally {
      await other.stop();
    }
  });

  it('with tokens made of it', async () => {
    const made = await fetch(`${signer.url}/v1/tokens`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ expiresInSeconds: 600 }),
    });
    const { token } = (await made.json()) as { token: string };
    expect(await signs(token)).toBe(200);
    expect((await revoke()).status).toBe(204);
    expect(await acceptedFor(Date.now(), () => signs(token))).toBeLessThan(PROMISED_MS);
  });

  it('when whoever revoked it died before it told Redis', async () => {
    await api.pool.query(
      `with bumped as (update projection_versions set version = version + 1, stamp = 'somebody-else' where name = 'keys')
       update api_keys set revoked_at = now() where id = $1`,
      [id],
    );
    expect(
      await acceptedFor(
        Date.now(),
        () => signs(),
        () => reads(),
      ),
    ).toBeLessThan(PROMISED_MS);
  });

  it('when the database counts its versions anew after a restore, to a number that the copy has', async () => {
    const before = await api.pool.query<{ version: string }>(`select version from projection_versions where name = 'keys'`);
    // Restored to just before, and the same number given to another change.
    await api.pool.query(`update projection_versions set version = version - 1 where name = 'keys'`);
    expect((await revoke()).status).toBe(204);
    const after = await api.pool.query<{ version: string }>(`select version from projection_versions where name = 'keys'`);
    expect(after.rows).toEqual(before.rows);
    expect(
      await acceptedFor(
        Date.now(),
        () => signs(),
        () => reads(),
      ),
    ).toBeLessThan(PROMISED_MS);
  });

  it('when Redis falls back to the copy from before', async () => {
    const copy = `${api.config.redisPrefix}:{${api.config.redisPrefix}:keys}:2`;
    const dump = await api.redis.dumpBuffer(copy);
    expect((await revoke()).status).toBe(204);
    await waitFor(async () => (await signs()) === 401, { what: 'the signer to refuse it' });
    await api.redis.restore(copy, 0, dump, 'REPLACE');
    const since = Date.now();
    expect(await acceptedFor(since, () => signs())).toBeLessThan(PROMISED_MS);
  });

  it('after Redis answers again, where it could not be told, which the answer says', async () => {
    proxy.refuse();
    await waitFor(async () => !(await api.call<{ redis: { ok: boolean } }>('GET', '/v1/status')).body.redis.ok, {
      what: 'Redis to be away',
    });
    const { status, body } = await revoke();
    expect([status, body]).toEqual([202, expect.objectContaining({ id, pending: 'signers' })]);
    expect([await reads(), await signs()]).toEqual([401, 200]);
    proxy.heal();
    await waitFor(() => api.redis.ping().catch(() => undefined), { what: 'Redis to answer' });
    expect(await acceptedFor(Date.now(), () => signs())).toBeLessThan(PROMISED_MS);
  });
});

describe('a key whose time ends', () => {
  it('is refused by both from that moment on', async () => {
    const expiresAt = new Date(Date.now() + 2_500);
    const made = await api.makeKey(['read', 'sign'], { expiresAt: expiresAt.toISOString() });
    key = made.key;
    await waitFor(async () => (await signs()) === 200, { what: 'the signer to know the key' });
    await waitFor(() => Date.now() >= expiresAt.getTime(), { what: 'its end' });
    expect([await signs(), await reads()]).toEqual([401, 401]);
  });
});

describe('a key that is limited to creators', () => {
  it('signs for these alone, under the handle that each has now', async () => {
    await api.call('POST', '/v1/creators/batch', { body: { creators: ['luna.bakes', 'other.room'] } });
    const [luna, others] = [
      await api.makeKey(['sign'], { creators: ['luna.bakes'] }),
      await api.makeKey(['sign'], { creators: ['other.room'] }),
    ];
    await waitFor(async () => (await signs(luna.key)) === 200, { what: 'the signer to know the key' });
    await waitFor(async () => (await signs(others.key)) === 403, { what: 'the signer to refuse what it may not' });
    await api.pool.query(`update creators set unique_id = 'renamed' where unique_id = 'luna.bakes'`);
    await api.call('POST', '/v1/creators', { body: { uniqueId: 'anybody' } });
    await waitFor(async () => (await signs(luna.key)) === 403, { what: 'the signer to know the new handle', timeoutMs: PROMISED_MS });
  });
});
