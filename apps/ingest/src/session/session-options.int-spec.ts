import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type CreatorOptions, sealSecret } from '@tributary/creators';
import { SecretBox } from '@tributary/runtime';
import { Simulator, testServers, waitFor } from '@tributary/testing';
import { TestCluster } from '../testing/test-cluster.js';

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

async function openCluster(rooms: ConstructorParameters<typeof Simulator>[0], settings: object = {}): Promise<TestCluster> {
  const simulator = await new Simulator(rooms).start();
  const cluster = new TestCluster(simulator, testServers().redisUrl, {
    creatorSecretKey: KEY,
    proxyAllowCidrs: ['127.0.0.0/8'],
    ...settings,
  });
  undo.push(() => cluster.close());
  return cluster;
}

const sealed = (id: string, secrets: { sessionCookie?: string; proxy?: string }): CreatorOptions => {
  const box = new SecretBox(KEY, 'CREATOR_SECRET_KEY');
  const { sessionCookie, proxy } = secrets;
  return {
    ...(sessionCookie === undefined ? {} : { sessionCookie: sealSecret(box, id, 'sessionCookie', sessionCookie) }),
    ...(proxy === undefined ? {} : { proxy: { sealed: sealSecret(box, id, 'proxy', proxy), shown: '' } }),
  };
};

const state = async (cluster: TestCluster, handle: string) => (await cluster.status()).get(handle)?.state;

describe('a creator with a session cookie and a proxy of its own', () => {
  it('is polled and received through that proxy and signed with that cookie, and no other creator is', async () => {
    const proxy = await startTunnels();
    const cluster = await openCluster({
      rooms: [
        { uniqueId: 'own', rate: 20 },
        { uniqueId: 'other', rate: 20 },
      ],
    });
    await cluster.monitor('own', 'other');
    cluster.creators[0]!.options = sealed('cr_own', { sessionCookie: COOKIE, proxy: proxy.url });
    await cluster.publish();
    cluster.start('a');
    await waitFor(async () => (await state(cluster, 'own')) === 'live' && (await state(cluster, 'other')) === 'live');
    await waitFor(async () => (await cluster.inbox('own')).length > 20);
    expect(new Set(proxy.tunnels)).toEqual(new Set([`Basic ${Buffer.from('user:geheim').toString('base64')}`]));
    const tunnels = proxy.tunnels.length;
    expect(tunnels).toBeGreaterThanOrEqual(2);
    expect(cluster.signer.queries.map(({ uniqueId, cookies }) => [uniqueId, cookies]).sort()).toEqual([
      ['other', undefined],
      ['own', COOKIE],
    ]);
    cluster.simulator.fault({ kind: 'drop', uniqueId: 'other' });
    await waitFor(async () => (await cluster.status()).get('other')!.counters.reconnects === 1);
    expect(proxy.tunnels).toHaveLength(tunnels);
    const published = JSON.stringify([await cluster.inbox('own'), [...(await cluster.status())]]);
    expect(published).not.toMatch(/geheim|0123456789abcdef/);
  });

  it('is not connected from this address while its proxy is down: the status shows why, and it connects when the proxy works', async () => {
    const cluster = await openCluster({ rooms: [{ uniqueId: 'own', rate: 20 }] });
    await cluster.monitor('own');
    cluster.creators[0]!.options = sealed('cr_own', { proxy: 'http://user:geheim@127.0.0.1:9' });
    await cluster.publish();
    cluster.start('a');
    await waitFor(async () => (await cluster.status()).get('own')?.lastError?.reason === 'poll-failed');
    expect(JSON.stringify([...(await cluster.status())])).not.toContain('geheim');
    expect(cluster.simulator.room('own')!.connections.size).toBe(0);
    const proxy = await startTunnels();
    cluster.creators[0]!.options = sealed('cr_own', { proxy: proxy.url });
    await cluster.publish();
    await waitFor(async () => (await state(cluster, 'own')) === 'live');
  });
});

describe('a stored proxy that leads to a private address', () => {
  it('is never connected to, and its error is the same for an open and for a closed port', async () => {
    const proxy = await startTunnels();
    const open = new URL(proxy.url).host;
    const cluster = await openCluster(
      {
        rooms: [
          { uniqueId: 'open', rate: 20 },
          { uniqueId: 'shut', rate: 20 },
        ],
      },
      { proxyAllowCidrs: [] },
    );
    await cluster.monitor('open', 'shut');
    cluster.creators[0]!.options = sealed('cr_open', { proxy: `http://${open}` });
    cluster.creators[1]!.options = sealed('cr_shut', { proxy: 'http://127.0.0.1:9' });
    await cluster.publish();
    cluster.start('a');
    await waitFor(async () => [...(await cluster.status()).values()].filter((one) => one.state === 'error').length === 2);
    const [first, second] = [...(await cluster.status()).values()].map(({ lastError, state: shown }) => ({
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
  it('are received: a connection needs no room info', async () => {
    const cluster = await openCluster({
      rooms: [
        { uniqueId: 'gated', rate: 20, gated: true },
        { uniqueId: 'login', rate: 20, loginNeeded: true },
      ],
    });
    await cluster.monitor('gated', 'login');
    cluster.start('a');
    await waitFor(async () => (await state(cluster, 'gated')) === 'live' && (await state(cluster, 'login')) === 'live');
  });

  it('are shown as gated only where the socket refuses them', async () => {
    const cluster = await openCluster({
      rooms: [
        { uniqueId: 'gated', rate: 20, gated: true },
        { uniqueId: 'plain', rate: 20 },
      ],
    });
    const path = '/webcast/im/ws_proxy/';
    for (const uniqueId of ['gated', 'plain']) cluster.simulator.fault({ kind: 'http403', uniqueId, path, durationMs: 600_000 });
    await cluster.monitor('gated', 'plain');
    cluster.start('a');
    await waitFor(async () => (await state(cluster, 'gated')) === 'gated' && (await state(cluster, 'plain')) === 'blocked');
    const { lastError } = (await cluster.status()).get('gated')!;
    expect(lastError).toMatchObject({ reason: 'connect-forbidden' });
    expect(lastError!.retryAt).toBeGreaterThan(Date.now() - 1_000);
  });
});

describe('an address that TikTok blocks', () => {
  it('is in cooldown: its creators are blocked until a stated time, and those with their own proxy continue', async () => {
    const proxy = await startTunnels();
    const cluster = await openCluster({
      rooms: [{ uniqueId: 'own', rate: 20 }, ...Array.from({ length: 8 }, (_, n) => ({ uniqueId: `n${n}`, live: false }))],
    });
    // The creator with the proxy is found first; afterwards only this machine's address asks.
    await cluster.monitor('own');
    cluster.creators[0]!.options = sealed('cr_own', { proxy: proxy.url });
    await cluster.publish();
    cluster.start('a');
    await waitFor(async () => (await state(cluster, 'own')) === 'live');
    for (const path of ['/@n', '/api-live/']) cluster.simulator.fault({ kind: 'http429', path, durationMs: 600_000 });
    await cluster.monitor(...Array.from({ length: 8 }, (_, n) => `n${n}`));
    await waitFor(async () => [...(await cluster.status())].filter(([, one]) => one.state === 'blocked').length === 8);
    const asked = cluster.simulator.requests.get('page') ?? 0;
    for (const [handle, { lastError, state: shown }] of await cluster.status()) {
      if (handle === 'own') expect(shown).toBe('live');
      else expect(lastError!.retryAt! - Date.now()).toBeGreaterThan(20_000);
    }
    expect(asked).toBeLessThan(30);
  });
});
