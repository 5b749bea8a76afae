import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type CreatorOptions, sealSecret } from '@tributary/creators';
import { SecretBox } from '@tributary/runtime';
import { Simulator, testServers, waitFor } from '@tributary/testing';
import { House } from '../testing/house.js';

jest.setTimeout(60_000);

const KEY = randomBytes(32).toString('base64');
const COOKIE = 'sessionid=0123456789abcdef; tt-target-idc=useast1a';
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** An HTTP proxy that counts its tunnels. */
async function startTunnels(): Promise<{ url: string; tunnels: string[]; connections: () => number }> {
  const tunnels: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer().on('connection', () => (connections += 1));
  server.on('connect', (request, client: Socket, head: Buffer) => {
    tunnels.push(request.headers['proxy-authorization'] ?? '');
    const [host = '', port] = (request.url ?? '').split(':');
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.write(head);
      target.pipe(client).pipe(target);
    });
    for (const socket of [client, target]) sockets.add(socket.on('error', () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://user:geheim@127.0.0.1:${(server.address() as AddressInfo).port}`, tunnels, connections: () => connections };
}

async function openHouse(rooms: ConstructorParameters<typeof Simulator>[0], settings: object = {}): Promise<House> {
  const simulator = await new Simulator(rooms).start();
  const house = new House(simulator, testServers().redisUrl, { creatorSecretKey: KEY, proxyAllowCidrs: ['127.0.0.0/8'], ...settings });
  undo.push(() => house.close());
  return house;
}

const sealed = (id: string, secrets: { sessionCookie?: string; proxy?: string }): CreatorOptions => {
  const box = new SecretBox(KEY, 'CREATOR_SECRET_KEY');
  const { sessionCookie, proxy } = secrets;
  return {
    ...(sessionCookie === undefined ? {} : { sessionCookie: sealSecret(box, id, 'sessionCookie', sessionCookie) }),
    ...(proxy === undefined ? {} : { proxy: { sealed: sealSecret(box, id, 'proxy', proxy), shown: '' } }),
  };
};

const state = async (house: House, handle: string) => (await house.status()).get(handle)?.state;

describe('a creator with a session cookie and a proxy of its own', () => {
  it('is polled and received through that proxy, signed for with that cookie, and nobody else is', async () => {
    const proxy = await startTunnels();
    const house = await openHouse({
      rooms: [
        { uniqueId: 'own', rate: 20 },
        { uniqueId: 'other', rate: 20 },
      ],
    });
    await house.monitor('own', 'other');
    house.creators[0]!.options = sealed('cr_own', { sessionCookie: COOKIE, proxy: proxy.url });
    await house.publish();
    house.start('a');
    await waitFor(async () => (await state(house, 'own')) === 'live' && (await state(house, 'other')) === 'live', { timeoutMs: 20_000 });
    await waitFor(async () => (await house.inbox('own')).length > 20);
    expect(new Set(proxy.tunnels)).toEqual(new Set([`Basic ${Buffer.from('user:geheim').toString('base64')}`]));
    const tunnels = proxy.tunnels.length;
    expect(tunnels).toBeGreaterThanOrEqual(2);
    expect(house.signer.queries.map(({ uniqueId, cookies }) => [uniqueId, cookies]).sort()).toEqual([
      ['other', undefined],
      ['own', COOKIE],
    ]);
    house.simulator.fault({ kind: 'drop', uniqueId: 'other' });
    await waitFor(async () => (await house.status()).get('other')!.counters.reconnects === 1, { timeoutMs: 20_000 });
    expect(proxy.tunnels).toHaveLength(tunnels);
    const told = JSON.stringify([await house.inbox('own'), [...(await house.status())]]);
    expect(told).not.toMatch(/geheim|0123456789abcdef/);
  });

  it('is not connected from this address where its proxy is away: it says why, and goes on when the proxy is there', async () => {
    const house = await openHouse({ rooms: [{ uniqueId: 'own', rate: 20 }] });
    await house.monitor('own');
    house.creators[0]!.options = sealed('cr_own', { proxy: 'http://user:geheim@127.0.0.1:9' });
    await house.publish();
    house.start('a');
    await waitFor(async () => (await house.status()).get('own')?.lastError?.reason === 'poll-failed', { timeoutMs: 20_000 });
    expect(JSON.stringify([...(await house.status())])).not.toContain('geheim');
    expect(house.simulator.room('own')!.connections.size).toBe(0);
    const proxy = await startTunnels();
    house.creators[0]!.options = sealed('cr_own', { proxy: proxy.url });
    await house.publish();
    await waitFor(async () => (await state(house, 'own')) === 'live', { timeoutMs: 20_000 });
  });
});

describe('a proxy that is kept, and leads inside', () => {
  it('is never connected to, and its error is the same for a port that is open and one that is not', async () => {
    const proxy = await startTunnels();
    const open = new URL(proxy.url).host;
    const house = await openHouse(
      {
        rooms: [
          { uniqueId: 'open', rate: 20 },
          { uniqueId: 'shut', rate: 20 },
        ],
      },
      { proxyAllowCidrs: [] },
    );
    await house.monitor('open', 'shut');
    house.creators[0]!.options = sealed('cr_open', { proxy: `http://${open}` });
    house.creators[1]!.options = sealed('cr_shut', { proxy: 'http://127.0.0.1:9' });
    await house.publish();
    house.start('a');
    await waitFor(async () => [...(await house.status()).values()].filter(({ lastError }) => lastError).length === 2, {
      timeoutMs: 20_000,
    });
    const [first, second] = [...(await house.status()).values()].map(({ lastError, state: shown }) => ({
      state: shown,
      reason: lastError!.reason,
      message: lastError!.message,
    }));
    expect(first).toEqual(second);
    expect(first!.message).toContain('the proxy cannot be reached');
    expect(proxy.connections()).toBe(0);
  });
});

describe('rooms behind an age gate or a login', () => {
  it('are received all the same: room info is not needed to connect', async () => {
    const house = await openHouse({
      rooms: [
        { uniqueId: 'gated', rate: 20, gated: true },
        { uniqueId: 'login', rate: 20, loginNeeded: true },
      ],
    });
    await house.monitor('gated', 'login');
    house.start('a');
    await waitFor(async () => (await state(house, 'gated')) === 'live' && (await state(house, 'login')) === 'live', { timeoutMs: 20_000 });
  });

  it('are shown as gated only where the socket really refuses, and as live again once it gives way', async () => {
    const house = await openHouse({
      rooms: [
        { uniqueId: 'gated', rate: 20, gated: true },
        { uniqueId: 'plain', rate: 20 },
      ],
    });
    const path = '/webcast/im/ws_proxy/';
    for (const uniqueId of ['gated', 'plain']) house.simulator.fault({ kind: 'http403', uniqueId, path, durationMs: 600_000 });
    await house.monitor('gated', 'plain');
    house.start('a');
    await waitFor(async () => (await state(house, 'gated')) === 'gated' && (await state(house, 'plain')) === 'blocked', {
      timeoutMs: 20_000,
    });
    const { lastError } = (await house.status()).get('gated')!;
    expect(lastError).toMatchObject({ reason: 'connect-forbidden' });
    expect(lastError!.retryAt).toBeGreaterThan(Date.now() - 1_000);
  });
});

describe('an address that TikTok blocks', () => {
  it('rests: its creators are blocked until a stated time, those with a proxy of their own go on', async () => {
    const proxy = await startTunnels();
    const house = await openHouse({
      rooms: [{ uniqueId: 'own', rate: 20 }, ...Array.from({ length: 8 }, (_, n) => ({ uniqueId: `n${n}`, live: false }))],
    });
    // The creator with the proxy is found first; afterwards only this machine's address asks.
    await house.monitor('own');
    house.creators[0]!.options = sealed('cr_own', { proxy: proxy.url });
    await house.publish();
    house.start('a');
    await waitFor(async () => (await state(house, 'own')) === 'live', { timeoutMs: 20_000 });
    for (const path of ['/@n', '/api-live/']) house.simulator.fault({ kind: 'http429', path, durationMs: 600_000 });
    await house.monitor(...Array.from({ length: 8 }, (_, n) => `n${n}`));
    await waitFor(async () => [...(await house.status())].filter(([, one]) => one.state === 'blocked').length === 8, { timeoutMs: 20_000 });
    const asked = house.simulator.requests.get('page') ?? 0;
    for (const [handle, { lastError, state: shown }] of await house.status()) {
      if (handle === 'own') expect(shown).toBe('live');
      else expect(lastError!.retryAt! - Date.now()).toBeGreaterThan(20_000);
    }
    expect(asked).toBeLessThan(30);
  });
});
