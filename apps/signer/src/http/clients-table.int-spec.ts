import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRedis, hashKey, KeyProjection, type Logger, newKey, waitForRedis } from '@tributary/runtime';
import { Simulator, table, testServers } from '@tributary/testing';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ScriptedUpstream } from '../testing/scripted-upstream.js';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';

const run = promisify(execFile);
const RUNNER = fileURLToPath(new URL('../testing/clients/run.mjs', import.meta.url));
const NAME = 'luna.bakes';
const CONNECTORS = ['connector 1.2.3', 'connector 2.0.3', 'connector 2.1.0', 'connector 2.5.0'];
const CLIENTS = [...CONNECTORS, 'euler-api-sdk 0.3.0', 'live-api-sdk 0.4.0'];
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

type Results = Record<string, string>;

describe('published clients, unmodified, each in a process of its own', () => {
  let simulator: Simulator;
  let remote: ScriptedUpstream;
  let key: string;
  let signers: { good: RunningSigner; limited: RunningSigner; failing: RunningSigner };
  /** What came of each call, as the client's user meets it. */
  const rows = new Map<string, Record<string, string>>();
  /** Which of our routes each client asked for, and the statuses it got. */
  const routes = new Map<string, Record<string, string>>();

  beforeAll(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: NAME, rate: 60 }] }).start();
    remote = await new ScriptedUpstream().start();
    const tiktok = { tiktokWebUrl: simulator.url, tiktokWebcastUrl: simulator.url, tiktokSocketUrl: simulator.socketUrl };
    const redis = createRedis(testServers().redisUrl, quiet, { name: 'clients-test' });
    await waitForRedis(redis, quiet);
    key = newKey();
    const redisPrefix = `clients-${randomUUID()}`;
    await new KeyProjection(redis, redisPrefix).write(new Map([[hashKey(key), { id: 'key_1', name: 'one', scopes: ['sign'] }]]), '1');
    redis.disconnect();
    signers = {
      good: await startSigner({ signProviders: ['simulator'], ...tiktok }),
      // One request a day, which the first of every suite of calls uses up.
      limited: await startSigner({ signProviders: ['simulator'], ...tiktok, mode: 'production', redisPrefix, signPerKeyDay: 1 }),
      failing: await startSigner({ signProviders: ['remote'], ...tiktok, remoteSignUrl: remote.url, remoteSignKey: 'k' }),
    };
    await fetch(`${signers.limited.url}/webcast/fetch?unique_id=${NAME}&apiKey=${key}`);
    await fetch(`${signers.good.url}/webcast/room_id?uniqueId=${NAME}`);
  });
  afterAll(async () => {
    await Promise.all(Object.values(signers).map((signer) => signer.stop()));
    await remote.stop();
    await simulator.stop();
    const lines = (cells: typeof rows, column: string) =>
      table(
        [...cells].map(([name, byClient]) => ({
          [column]: name,
          ...Object.fromEntries(CLIENTS.map((client) => [client, byClient[client] ?? '-'])),
        })),
      );
    process.stdout.write(
      `\nclient x route: statuses\n${lines(routes, 'route')}\n\nclient x call: what its user meets\n${lines(rows, 'call')}\n\n`,
    );
  });

  const ask = async (client: string, signer: RunningSigner, apiKey = ''): Promise<Results> => {
    const room = simulator.room(NAME);
    const args = [RUNNER, client, signer.url, simulator.url, NAME, room?.roomId ?? '', room?.userId ?? '', apiKey];
    const env = { ...process.env, NODE_OPTIONS: '', SIGN_API_URL: signer.url, ...(apiKey ? { SIGN_API_KEY: apiKey } : {}) };
    const before = signer.logged.length;
    const { stdout } = await run(process.execPath, args, { env, timeout: 120_000 });
    for (const { fields } of signer.logged.slice(before)) {
      if (typeof fields.route !== 'string' || typeof fields.status !== 'number' || fields.route.startsWith('/v1/')) continue;
      const route = `${String(fields.method)} ${fields.route}`;
      const known = routes.get(route)?.[client]?.split(' ') ?? [];
      routes.set(route, { ...routes.get(route), [client]: [...new Set([...known, String(fields.status)])].sort().join(' ') });
    }
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Results;
  };
  const note = (client: string, results: Results, prefix = '') => {
    for (const [route, result] of Object.entries(results)) {
      const name = prefix + route;
      rows.set(name, { ...rows.get(name), [client]: result });
    }
  };

  it.each(CLIENTS)('%s: every call it has is answered as it expects, and it receives the room', async (client) => {
    const results = await ask(client, signers.good);
    note(client, results);
    expect(results.connect).toMatch(/^connected/);
    for (const [route, result] of Object.entries(results)) {
      if (route === 'chat') expect(result).toBe('PremiumFeatureError');
      else expect(`${route}: ${result}`).toMatch(/: (?:connected.*|ok|-|\d+ gifts)$/);
    }
  });

  it.each(CLIENTS)('%s: our 429 is its own rate-limit error, with the wait', async (client) => {
    const { connect = '' } = await ask(client, signers.limited, key);
    note(client, { connect }, 'limit used up: ');
    if (client === 'connector 1.2.3') expect(connect).toMatch(/^SignatureError/);
    else if (client.startsWith('connector')) expect(connect).toMatch(/^SignatureRateLimitError \(retry in \d{7,8} ms\)$/);
    else expect(connect).toBe('status 429: code and message');
  });

  it.each(CLIENTS)('%s: our 402 and 5xx are its own premium and sign errors', async (client) => {
    const provoke = async (fault: 'http-402' | 'http-500', prefix: string) => {
      remote.fault = fault;
      await fetch(`${signers.failing.url}/v1/providers/remote/reset`, { method: 'POST' });
      const { connect = '' } = await ask(client, signers.failing);
      note(client, { connect }, prefix);
      return connect;
    };
    const premium = await provoke('http-402', 'paid plan needed: ');
    const broken = await provoke('http-500', 'providers down: ');
    if (client === 'connector 1.2.3') expect([premium, broken]).toEqual(['SignatureError', 'SignatureError']);
    else if (client.startsWith('connector')) expect([premium, broken]).toEqual(['PremiumFeatureError', 'SignAPIError']);
    else expect([premium, broken]).toEqual(['status 402: code and message', 'status 503: code and message']);
  });
});
