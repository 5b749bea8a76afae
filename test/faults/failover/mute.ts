import { type FaultProxy, startProxy, startTunnelProxy } from '@tributary/testing';
import type { Kind } from './kind.js';
import type { FailoverScene } from './scene.js';

/** New connections stay mute this long, in ms. */
const MUTE_MS = [6_000, 14_000] as const;
/** Until the interval of a room's messages is known, which takes a minute, its silent connection is kept for longer. */
const KNOWN_MS = 65_000;
/** Creators with a proxy of their own: one in so many. */
const PROXIED_EVERY = 2;

const proxies = new WeakMap<FailoverScene, FaultProxy>();

/**
 * A peer that vanishes: the present connections never get a byte again. At the first injection, and then at every second one, new
 * connections work at once; at the others new connections are accepted and stay silent for a while too.
 */
async function mute(scene: FailoverScene, line: FaultProxy, n: number, meanwhile?: () => Promise<void>): Promise<void> {
  line.strand();
  if (n % 2 === 0) {
    await meanwhile?.();
    return;
  }
  line.freeze();
  try {
    await meanwhile?.();
    await scene.pause(...MUTE_MS);
    // Those that were opened meanwhile never worked either.
    line.strand();
  } finally {
    line.heal();
  }
}

function networkOf(scene: FailoverScene): FaultProxy {
  const { network } = scene.stack;
  if (!network) throw new Error('this kind needs a proxy before the simulator');
  return network;
}

const network = { prepare: () => Promise.resolve({ stack: { network: true } }) };

/** Faults in which a peer accepts bytes, answers nothing and closes nothing. */
export const MUTE: readonly Kind[] = [
  {
    name: 'mute-postgres',
    title: 'PostgreSQL falls silent: open connections are stranded; every second time new ones are mute for 6 to 14 s too',
    seconds: 30,
    losesNothing: true,
    stallMsMax: 45_000,
    inject: (scene, n) => mute(scene, scene.lines.postgres, n),
  },
  {
    name: 'mute-redis',
    title: 'Redis falls silent, in the same two ways',
    seconds: 30,
    stallMsMax: 45_000,
    inject: (scene, n) => mute(scene, scene.lines.redis, n),
  },
  {
    name: 'mute-signer',
    title: 'the signer falls silent, in the same two ways, while a third of the connections is dropped',
    seconds: 35,
    stallMsMax: 60_000,
    inject: (scene, n) =>
      mute(scene, scene.lines.signer, n, async () => {
        for (const uniqueId of scene.sample(Math.ceil(scene.handles.length / 3)))
          await scene.sim('POST', '/faults', { kind: 'drop', uniqueId, count: 1 });
      }),
  },
  {
    ...network,
    name: 'mute-tiktok',
    title: 'TikTok falls silent: pages, API and sockets, in the same two ways',
    seconds: 45,
    stallMsMax: 90_000,
    begin: (scene) => scene.sleep(KNOWN_MS),
    inject: async (scene, n) => {
      const since = Date.now();
      await mute(scene, networkOf(scene), n);
      await scene.reconnected(scene.handles, since);
    },
  },
  {
    name: 'mute-proxy',
    title: 'the proxy that half of the creators have falls silent, in the same two ways',
    seconds: 45,
    stallMsMax: 90_000,
    begin: async (scene) => {
      const tunnels = await startTunnelProxy();
      scene.atEnd(() => tunnels.close());
      const proxy = await startProxy(tunnels.url);
      scene.atEnd(() => proxy.close());
      proxies.set(scene, proxy);
      const since = Date.now();
      const proxied = proxiedOf(scene);
      for (const uniqueId of proxied)
        await scene.stack.call('PATCH', `/v1/creators/@${uniqueId}`, { options: { proxy: proxy.url.replace(/\/$/, '') } });
      // They connect through it from their next connection on.
      await scene.sleep(3_000);
      for (const uniqueId of proxied) await scene.sim('POST', '/faults', { kind: 'drop', uniqueId, count: 1 });
      await scene.reconnected(proxied, since);
      await scene.wait('creators to use their proxy', 60_000, () => Promise.resolve(tunnels.tunnels() >= proxied.length));
      await scene.sleep(KNOWN_MS);
    },
    inject: async (scene, n) => {
      const proxy = proxies.get(scene);
      if (!proxy) throw new Error('the proxy was not started');
      const since = Date.now();
      await mute(scene, proxy, n);
      await scene.reconnected(proxiedOf(scene), since);
    },
  },
];

function proxiedOf(scene: FailoverScene): string[] {
  return scene.handles.filter((_, index) => index % PROXIED_EVERY === 0);
}
