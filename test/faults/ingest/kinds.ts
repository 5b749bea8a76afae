import { Redis } from 'ioredis';
import { type MonitoredSystem, SILENCE_MS } from '../parts/monitored-system.js';

export const WORKERS = 3;

/** One injection, as it is measured afterwards. */
export interface Injection {
  /** ms since 1970. */
  at: number;
  /** Creators that had to be connected to again because of it. */
  concerned: readonly string[];
  /** What went wrong beside the accounting. */
  complaint?: string;
}

/**
 * How long the concerned creators were without a connection:
 * - `crash`: from the injection to the opening of the next holder's socket, as its stored `monitor.connected` says;
 * - `stop`: from the close of the old holder's socket to the opening of the next one's, as the simulator saw them, which is how
 *   long nothing could be received; 0 where the next one opened first;
 * - `reconnect`: as `crash`, by any holder of the creator.
 */
export type Measure = 'crash' | 'stop' | 'reconnect';

export interface Fault {
  name: string;
  title: string;
  /** Rough length of one injection with its recovery, in seconds: long faults begin first. */
  seconds: number;
  measure?: Measure;
  /** Bar of that time, in ms. */
  msMax?: number;
  /** Silence after which a connection is replaced, in ms, where it differs from the suite's. */
  silenceMs?: number;
  /** Time that the rooms are received before the first injection, in ms. */
  warmUpMs?: number;
  /** An injection comes this long after everything was received again, in ms, where that is not the suite's. */
  calmMs?: readonly [from: number, to: number];
  /** Needs the proxy before the simulator. */
  network?: boolean;
  /** No connection is lost and no holder changes: nothing may be missing, gap or not. */
  losesNothing?: boolean;
  /** Redis loses what it had taken: what is sent again may then stand behind what a next holder said. */
  losesRedis?: boolean;
  /**
   * Live connections deliver nothing for a while, nor do new ones. Messages that were never written to a socket look like a quiet
   * room, and need no gap. A room that was quiet before is waited for longer, and may not be reconnected.
   */
  isSilent?: boolean;
  /** Injects it for the `n`-th time (from 0), ends it, and waits until the concerned creators are connected to again. */
  inject(system: MonitoredSystem, n: number): Promise<Injection>;
}

const CRASH_MS_MAX = 15_000;
const STOP_MS_MAX = 1_000;
const FROZEN_MS = 30_000;
const AWAY_MS = 60_000;

const nobody: readonly string[] = [];

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill',
    title: 'kill -9 of a worker, which starts again a moment later',
    seconds: 22,
    measure: 'crash',
    msMax: CRASH_MS_MAX,
    inject: async (system) => {
      const { victim, concerned } = await system.victim();
      const at = Date.now();
      await victim.kill9();
      await system.pause(200, 5_000);
      await victim.start();
      await system.reconnected(concerned, at);
      return { at, concerned };
    },
  },
  {
    name: 'freeze',
    title: 'SIGSTOP of a worker for 30 s, then SIGCONT: the zombie must not publish under its old fences',
    seconds: 42,
    measure: 'crash',
    msMax: CRASH_MS_MAX,
    // It wakes up with 30 s of messages in its sockets, and must not drop them as those of dead connections.
    silenceMs: 2 * FROZEN_MS,
    inject: async (system) => {
      const { victim, concerned } = await system.victim();
      const at = Date.now();
      victim.signal('SIGSTOP');
      try {
        await system.sleep(FROZEN_MS);
      } finally {
        victim.signal('SIGCONT');
      }
      await system.reconnected(concerned, at);
      return { at, concerned };
    },
  },
  {
    name: 'stop',
    title: 'SIGTERM of every worker in turn, each started again',
    seconds: 15,
    measure: 'stop',
    msMax: STOP_MS_MAX,
    inject: async (system, n) => {
      const victim = system.stack.workers[n % WORKERS]!;
      const concerned = await system.heldBy(victim);
      const at = Date.now();
      const inTime = await victim.stop();
      await system.heldByOthers(concerned, victim);
      await victim.start();
      return { at, concerned, ...(inTime ? {} : { complaint: `${victim.name} did not end within 10 s of SIGTERM` }) };
    },
  },
  {
    name: 'redis-kill',
    title: 'Redis kill -9 with its append-only file, and restart',
    seconds: 12,
    losesNothing: true,
    losesRedis: true,
    inject: async (system) => {
      const at = Date.now();
      await system.stack.redis.kill9();
      await system.pause(200, 3_000);
      await system.stack.redis.start();
      return { at, concerned: nobody };
    },
  },
  {
    name: 'redis-flush',
    title: 'Redis FLUSHALL',
    seconds: 12,
    losesNothing: true,
    losesRedis: true,
    inject: async (system) => {
      const at = Date.now();
      const redis = new Redis(system.stack.redis.url);
      try {
        await redis.flushall();
      } finally {
        redis.disconnect();
      }
      return { at, concerned: nobody };
    },
  },
  {
    name: 'redis-away',
    title: 'Redis stopped for 60 s',
    seconds: 70,
    losesNothing: true,
    inject: async (system) => {
      const at = Date.now();
      await system.stack.redis.stop();
      try {
        await system.sleep(AWAY_MS);
      } finally {
        await system.stack.redis.start();
      }
      return { at, concerned: nobody };
    },
  },
  {
    name: 'cut',
    title: 'network cut: every connection to the simulator is reset, new ones refused for up to 5 s',
    seconds: 16,
    network: true,
    measure: 'reconnect',
    inject: async (system) => {
      const at = Date.now();
      const { network } = system.stack;
      network!.refuse();
      try {
        await system.pause(0, 5_000);
      } finally {
        network!.heal();
      }
      await system.reconnected(system.handles, at);
      return { at, concerned: system.handles };
    },
  },
  {
    name: 'half-open',
    title: 'half-open sockets: all that are open go dead without a word, new ones too for up to 15 s',
    seconds: 42,
    network: true,
    // A connection that goes silent within 10 s of its opening counts as one of a quiet room, and is waited for longer.
    calmMs: [12_000, 18_000],
    // A paused room whose cadence is not known yet is given minutes: the worker learns it in its first minute.
    warmUpMs: 75_000,
    measure: 'reconnect',
    inject: async (system) => {
      const at = Date.now();
      const network = system.stack.network!;
      network.strand();
      network.freeze();
      try {
        await system.pause(0, 15_000);
        // Those that were opened meanwhile never worked either.
        network.strand();
      } finally {
        network.heal();
      }
      await system.reconnected(system.handles, Date.now());
      return { at, concerned: system.handles };
    },
  },
  {
    name: 'postgres-away',
    title: 'PostgreSQL stopped for 60 s',
    seconds: 70,
    losesNothing: true,
    inject: async (system) => {
      const at = Date.now();
      await system.stack.postgres.stop();
      try {
        await system.sleep(AWAY_MS);
      } finally {
        await system.stack.postgres.start();
      }
      return { at, concerned: nobody };
    },
  },
  {
    name: 'signer-away',
    title: 'signer stopped for 60 s, while one connection in ten is dropped',
    seconds: 115,
    measure: 'reconnect',
    inject: async (system) => {
      await system.stack.signer.stop();
      const at = Date.now();
      const dropped = system.sample(Math.ceil(system.handles.length / 10));
      const end = at + AWAY_MS;
      try {
        for (const uniqueId of dropped) {
          await system.sleep((AWAY_MS / dropped.length) * system.random());
          await system.sim('POST', '/faults', { kind: 'drop', uniqueId, count: 1 });
        }
        await system.sleep(Math.max(0, end - Date.now()));
      } finally {
        await system.stack.signer.start();
      }
      await system.reconnected(dropped, at);
      return { at, concerned: dropped };
    },
  },
  {
    name: 'silence',
    title: 'simulator silence: one room in five says nothing for 12 to 25 s, its sockets stay open',
    seconds: 38,
    calmMs: [12_000, 18_000],
    isSilent: true,
    inject: async (system) => {
      const at = Date.now();
      const silent = system.sample(Math.ceil(system.handles.length / 5));
      const durationMs = Math.round(1.2 * SILENCE_MS + system.random() * 1.3 * SILENCE_MS);
      for (const uniqueId of silent) await system.sim('POST', '/faults', { kind: 'silence', uniqueId, durationMs });
      await system.sleep(durationMs);
      return { at, concerned: silent };
    },
  },
];
