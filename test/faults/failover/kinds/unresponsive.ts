import { type FaultProxy, startProxy, startTunnelProxy } from '@tributary/testing';
import type { Kind } from './kind.js';
import type { FailoverSystem } from '../failover-system.js';

/** New connections stay unresponsive for this long, in ms. */
const UNRESPONSIVE_MS = [6_000, 14_000] as const;
/** Until the interval of a room's messages is known, which takes a minute, its silent connection is kept for longer. */
const KNOWN_MS = 65_000;
/** Creators with a proxy of their own: one in so many. */
const PROXIED_EVERY = 2;

const proxies = new WeakMap<FailoverSystem, FaultProxy>();

/**
 * A peer that vanishes: the present connections never get a byte again. At the first injection, and then at every second one, new
 * connections work at once; at the others new connections are accepted and stay silent for a while too.
 */
async function makeUnresponsive(system: FailoverSystem, line: FaultProxy, n: number, meanwhile?: () => Promise<void>): Promise<void> {
  line.strand();
  if (n % 2 === 0) {
    await meanwhile?.();
    return;
  }
  line.freeze();
  try {
    await meanwhile?.();
    await system.pause(...UNRESPONSIVE_MS);
    // Those that were opened meanwhile never worked either.
    line.strand();
  } finally {
    line.heal();
  }
}

function networkOf(system: FailoverSystem): FaultProxy {
  const { network } = system.stack;
  if (!network) throw new Error('this kind needs a proxy before the simulator');
  return network;
}

const network = { prepare: () => Promise.resolve({ stack: { network: true } }) };

/** Faults in which a peer accepts bytes, answers nothing and closes nothing. */
export const UNRESPONSIVE: readonly Kind[] = [
  {
    name: 'unresponsive-postgres',
    title: 'PostgreSQL falls silent: open connections are stranded; every second time new ones are unresponsive for 6 to 14 s too',
    seconds: 30,
    losesNothing: true,
    stallMsMax: 45_000,
    inject: (system, n) => makeUnresponsive(system, system.lines.postgres, n),
  },
  {
    name: 'unresponsive-redis',
    title: 'Redis falls silent, in the same two ways',
    seconds: 30,
    stallMsMax: 45_000,
    inject: (system, n) => makeUnresponsive(system, system.lines.redis, n),
  },
  {
    name: 'unresponsive-signer',
    title: 'the signer falls silent, in the same two ways, while a third of the connections is dropped',
    seconds: 35,
    stallMsMax: 60_000,
    inject: (system, n) =>
      makeUnresponsive(system, system.lines.signer, n, async () => {
        for (const uniqueId of system.sample(Math.ceil(system.handles.length / 3)))
          await system.sim('POST', '/faults', { kind: 'drop', uniqueId, count: 1 });
      }),
  },
  {
    ...network,
    name: 'unresponsive-tiktok',
    title: 'TikTok falls silent: pages, API and sockets, in the same two ways',
    seconds: 45,
    stallMsMax: 90_000,
    begin: (system) => system.sleep(KNOWN_MS),
    inject: async (system, n) => {
      const since = Date.now();
      await makeUnresponsive(system, networkOf(system), n);
      await system.reconnected(system.handles, since);
    },
  },
  {
    name: 'unresponsive-proxy',
    title: 'the proxy that half of the creators have falls silent, in the same two ways',
    seconds: 45,
    stallMsMax: 90_000,
    begin: async (system) => {
      const tunnels = await startTunnelProxy();
      system.atEnd(() => tunnels.close());
      const proxy = await startProxy(tunnels.url);
      system.atEnd(() => proxy.close());
      proxies.set(system, proxy);
      const since = Date.now();
      const proxied = proxiedOf(system);
      for (const uniqueId of proxied)
        await system.stack.call('PATCH', `/v1/creators/@${uniqueId}`, { options: { proxy: proxy.url.replace(/\/$/, '') } });
      // They connect through it from their next connection on.
      await system.sleep(3_000);
      for (const uniqueId of proxied) await system.sim('POST', '/faults', { kind: 'drop', uniqueId, count: 1 });
      await system.reconnected(proxied, since);
      await system.wait('creators to use their proxy', 60_000, () => Promise.resolve(tunnels.tunnels() >= proxied.length));
      await system.sleep(KNOWN_MS);
    },
    inject: async (system, n) => {
      const proxy = proxies.get(system);
      if (!proxy) throw new Error('the proxy was not started');
      const since = Date.now();
      await makeUnresponsive(system, proxy, n);
      await system.reconnected(proxiedOf(system), since);
    },
  },
];

function proxiedOf(system: FailoverSystem): string[] {
  return system.handles.filter((_, index) => index % PROXIED_EVERY === 0);
}
