import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CreatorProjection, openSecrets } from '@tributary/creators';
import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { Config, SecretBox } from '@tributary/runtime';
import { INSIDE_SPELLINGS, INSIDE_V4, INSIDE_V6, waitFor } from '@tributary/testing';
import { CreatorOptionsKeeper } from './creator-options.js';
import { ApiUnderTest, type ProblemBody } from '../testing/api-under-test.js';

const KEY = randomBytes(32).toString('base64');
const COOKIE = 'sessionid=0123456789abcdef0123456789abcdef; tt-target-idc=useast1a';
const PROXY = 'http://user:geheim@proxy.example:8080';
const SHOWN = 'http://***@proxy.example:8080';
const SECRETS = /0123456789abcdef|geheim|useast1a/;

interface Creator {
  id: string;
  uniqueId: string;
  options: Record<string, unknown>;
}

describe('session cookie and proxy of a creator', () => {
  let api: ApiUnderTest;
  let projection: CreatorProjection;
  beforeAll(async () => {
    api = await ApiUnderTest.start({ config: { creatorSecretKey: KEY } });
    projection = new CreatorProjection({ redis: api.redis, prefix: api.config.redisPrefix });
  });
  afterAll(() => api.stop());

  const box = new SecretBox(KEY, 'CREATOR_SECRET_KEY');
  const add = (uniqueId: string, options: object) => api.call<Creator>('POST', '/v1/creators', { body: { uniqueId, options } });
  const patch = (ref: string, options: object) => api.call<Creator & ProblemBody>('PATCH', `/v1/creators/${ref}`, { body: { options } });
  /** What a worker that has the key reads of them; undefined before the creator is copied. */
  const opened = async (uniqueId: string) => {
    const record = (await projection.read())?.creators.find((one) => one.uniqueId === uniqueId);
    const result = record && openSecrets(box, record);
    return result?.ok ? result.secrets : undefined;
  };
  const willOpen = (uniqueId: string, secrets: object) =>
    waitFor(async () => JSON.stringify(await opened(uniqueId)) === JSON.stringify(secrets), { what: `the secrets of ${uniqueId}` });

  it('are shown masked, are encrypted in PostgreSQL and Redis, and open for a worker that has the key', async () => {
    const { status, body } = await add('secret.one', { sessionCookie: COOKIE, proxy: PROXY, raw: true });
    expect(status).toBe(201);
    expect(body.options).toEqual({ raw: true, sessionCookie: true, proxy: SHOWN });
    await willOpen('secret.one', { sessionCookie: COOKIE, proxy: `${PROXY}/` });
    for (const path of ['/v1/creators', '/v1/creators/secret.one'])
      expect(JSON.stringify((await api.call('GET', path)).body)).not.toMatch(SECRETS);
    const { rows } = await api.pool.query<{ text: string }>('select options::text as text from creators');
    const copied = Object.values(await api.redis.hgetall(`${api.config.redisPrefix}:creators`));
    expect([...rows.map(({ text }) => text), ...copied].filter((text) => SECRETS.test(text))).toEqual([]);
    expect(copied.join()).toContain('sessionCookie');
  });

  it('stay when they are sent as shown, change when given anew, and go when left out', async () => {
    await add('secret.two', { sessionCookie: COOKIE, proxy: PROXY });
    expect((await patch('secret.two', { sessionCookie: true, proxy: SHOWN, types: ['tiktok.live.gift'] })).body.options).toEqual({
      sessionCookie: true,
      proxy: SHOWN,
      types: ['tiktok.live.gift'],
    });
    await waitFor(async () => (await projection.read())?.creators.some(({ options }) => options.types));
    expect(await opened('secret.two')).toEqual({ sessionCookie: COOKIE, proxy: `${PROXY}/` });
    expect(
      (await patch('secret.two', { sessionCookie: 'ffffffffffffffffffffffffffffffff', proxy: 'https://8.8.8.8:3128' })).body.options,
    ).toEqual({
      sessionCookie: true,
      proxy: 'https://8.8.8.8:3128',
    });
    await willOpen('secret.two', { sessionCookie: 'sessionid=ffffffffffffffffffffffffffffffff', proxy: 'https://8.8.8.8:3128/' });
    expect((await patch('secret.two', {})).body.options).toEqual({});
  });

  it('come back with a creator only when they are given again', async () => {
    await add('secret.back', { sessionCookie: COOKIE });
    await api.call('DELETE', '/v1/creators/secret.back');
    expect((await add('secret.back', {})).body.options).toEqual({});
    await api.call('DELETE', '/v1/creators/secret.back');
    expect((await add('secret.back', { proxy: PROXY })).body.options).toEqual({ proxy: SHOWN });
    await willOpen('secret.back', { proxy: `${PROXY}/` });
  });

  it('that cannot be used are refused by their field, and never repeated', async () => {
    await add('secret.bad', { proxy: PROXY });
    const cases: [object, string][] = [
      [{ sessionCookie: '' }, 'options.sessionCookie'],
      [{ sessionCookie: 'geheim' }, 'options.sessionCookie'],
      [{ sessionCookie: 'a=geheim\r\nx: y' }, 'options.sessionCookie'],
      [{ sessionCookie: `a=${'geheim'.repeat(2_000)}` }, 'options.sessionCookie'],
      [{ sessionCookie: true }, 'options.sessionCookie'],
      [{ sessionCookie: false }, 'options.sessionCookie'],
      [{ sessionCookie: null }, 'options.sessionCookie'],
      [{ sessionCookie: 7 }, 'options.sessionCookie'],
      [{ proxy: 'socks5://geheim@h:1080' }, 'options.proxy'],
      [{ proxy: 'proxy.example' }, 'options.proxy'],
      [{ proxy: 'http://***@other.example:8080' }, 'options.proxy'],
      [{ proxy: `http://${'h'.repeat(1_100)}` }, 'options.proxy'],
      [{ proxy: null }, 'options.proxy'],
    ];
    for (const [options, field] of cases) {
      const answer = await patch('secret.bad', options);
      expect({ options, status: answer.status, fields: [...new Set(answer.body.errors?.map((error) => error.field))] }).toEqual({
        options,
        status: 400,
        fields: [field],
      });
      expect(JSON.stringify(answer.body)).not.toMatch(SECRETS);
    }
    const batch = await api.call<{ data: object[] }>('POST', '/v1/creators/batch', {
      body: {
        creators: [
          { uniqueId: 'secret.batch', options: { sessionCookie: 'geheim' } },
          { uniqueId: 'secret.fine', options: { sessionCookie: COOKIE } },
        ],
      },
    });
    expect(batch.body.data).toMatchObject([{ result: 'invalid', field: 'options.sessionCookie' }, { result: 'created' }]);
    expect(JSON.stringify(batch.body)).not.toMatch(SECRETS);
  });

  it('open under their own creator and in their own place only', async () => {
    const { body } = await add('secret.own', { sessionCookie: COOKIE, proxy: PROXY });
    await waitFor(() => opened('secret.own'));
    const record = (await projection.read())!.creators.find(({ id }) => id === body.id)!;
    const { sessionCookie, proxy } = record.options;
    const stolen = [
      { ...record, id: 'cr_other' },
      { ...record, options: { sessionCookie: proxy!.sealed } },
      { ...record, options: { proxy: { sealed: sessionCookie!, shown: '' } } },
    ];
    expect(stolen.map((one) => openSecrets(box, one).ok)).toEqual([false, false, false]);
    expect(openSecrets(undefined, record)).toMatchObject({ ok: false, message: expect.stringContaining('CREATOR_SECRET_KEY is not set') });
  });
});

describe('an api without a key for secrets', () => {
  it('takes creators without any, refuses those with, and does not start on a database that holds some', async () => {
    const api = await ApiUnderTest.start();
    try {
      const add = (options: object) => api.call<ProblemBody>('POST', '/v1/creators', { body: { uniqueId: 'keyless', options } });
      const answer = await add({ sessionCookie: COOKIE });
      expect({ status: answer.status, field: answer.body.errors?.[0]?.field }).toEqual({ status: 400, field: 'options.sessionCookie' });
      expect(answer.body.detail).toContain('CREATOR_SECRET_KEY');
      expect((await add({ raw: true })).status).toBe(201);
      await api.pool.query(`update creators set options = '{"sessionCookie": "c2VhbGVk"}'`);
      const guard = new SsrfGuard(new AddressPolicy(), new NameResolver());
      const start = (creatorSecretKey: string) =>
        new CreatorOptionsKeeper(Object.assign(new Config(), { creatorSecretKey }), api.pool, guard).onApplicationBootstrap();
      await expect(start('')).rejects.toThrow('CREATOR_SECRET_KEY is not set');
      await expect(start(KEY)).rejects.toThrow('CREATOR_SECRET_KEY does not open');
    } finally {
      await api.stop();
    }
  });
});

describe('the address of a proxy', () => {
  const proxyOf = (api: ApiUnderTest, proxy: string) =>
    api.call<ProblemBody>('POST', '/v1/creators', { body: { uniqueId: 'proxied', options: { proxy } } });

  it('is refused where it is not public, in every spelling, and nothing is kept', async () => {
    const api = await ApiUnderTest.start({ config: { creatorSecretKey: KEY } });
    try {
      const { redisUrl, databaseUrl } = api.config;
      const inside = [
        ...INSIDE_V4.map((address) => `http://${address}:8080`),
        ...INSIDE_V6.map((address) => `https://[${address}]:8080`),
        ...INSIDE_SPELLINGS.map((host) => `http://${host}:8080`),
        ...[redisUrl, databaseUrl].map((url) => `http://127.0.0.1:${new URL(url).port}`),
      ];
      const answers = await Promise.all(inside.map(async (proxy) => ({ proxy, ...(await proxyOf(api, proxy)) })));
      const taken = answers.filter(({ status, body }) => status !== 400 || body.errors?.[0]?.field !== 'options.proxy');
      expect(taken.map(({ proxy }) => proxy)).toEqual([]);
      expect((await api.call<{ data: object[] }>('GET', '/v1/creators')).body.data).toEqual([]);
      const batch = { creators: [{ uniqueId: 'proxied', options: { proxy: 'http://10.0.0.1:3128' } }] };
      expect((await api.call<{ data: object[] }>('POST', '/v1/creators/batch', { body: batch })).body.data).toMatchObject([
        { result: 'invalid', field: 'options.proxy', reason: expect.stringContaining('PROXY_ALLOW_CIDRS') },
      ]);
    } finally {
      await api.stop();
    }
  });

  it("may be in a private network that the operator opens, but not at the system's own ports or a metadata service", async () => {
    const config = { creatorSecretKey: KEY, proxyAllowCidrs: ['127.0.0.0/8', '10.0.0.0/8', '169.254.0.0/16'] };
    const api = await ApiUnderTest.start({ config });
    try {
      expect((await proxyOf(api, 'http://10.0.0.1:3128')).status).toBe(201);
      const { redisUrl, databaseUrl } = api.config;
      const closed = [...[redisUrl, databaseUrl].map((url) => `127.0.0.1:${new URL(url).port}`), '169.254.169.254:80', '192.168.0.1:80'];
      for (const host of closed) expect({ host, status: (await proxyOf(api, `http://${host}`)).status }).toEqual({ host, status: 400 });
    } finally {
      await api.stop();
    }
  });
});
