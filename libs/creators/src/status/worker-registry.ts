import { LuaScript } from '@tributary/runtime/lua-script';
import type { Redis } from 'ioredis';
import type { WorkerRecord } from '../types.js';

/** A worker as the board knows it: its record and how long ago it spoke, by Redis' clock. */
export interface ListedWorker extends WorkerRecord {
  beatAgeMs: number;
}

const heartbeat = new LuaScript(new URL('./heartbeat.lua', import.meta.url));

/**
 * Hash `<prefix>:workers`: worker -> heartbeat. A worker silent for three lease times is dead and taken off. Its silence is
 * measured by the clock of whoever looks, from the moment it was first seen: Redis' clock is another one after a fail-over.
 */
export class WorkerRegistry {
  private readonly redis: Redis;
  private readonly hash: string;
  private readonly deadAfterMs: number;
  /** Heartbeats as they were last seen: the stamp, how old it was then, and when that was by the monotonic clock. */
  private readonly seen = new Map<string, { stamp: string; ageMs: number; at: number }>();

  constructor({ redis, prefix, leaseTtlMs }: { redis: Redis; prefix: string; leaseTtlMs: number }) {
    this.redis = redis;
    this.hash = `${prefix}:workers`;
    this.deadAfterMs = 3 * leaseTtlMs;
  }

  /** Says that this worker lives. Aged by Redis' clock, so that the clocks of two machines need not agree. */
  async heartbeat(record: WorkerRecord): Promise<void> {
    await heartbeat.run(this.redis, [this.hash], [record.worker, JSON.stringify(record)]);
  }

  /** Living workers by name; the dead are removed on the way. */
  async list(): Promise<ListedWorker[]> {
    const [[seconds, micros], fields] = await Promise.all([this.redis.time(), this.redis.hgetall(this.hash)]);
    const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    const workers = Object.entries(fields).map(([worker, text]) => {
      const space = text.indexOf(' ');
      const beatAgeMs = this.ageMs(worker, text.slice(0, space), now);
      return { ...(JSON.parse(text.slice(space + 1)) as WorkerRecord), worker, beatAgeMs };
    });
    for (const worker of this.seen.keys()) if (!(worker in fields)) this.seen.delete(worker);
    const dead = workers.filter(({ beatAgeMs }) => beatAgeMs > this.deadAfterMs);
    if (dead.length > 0) await this.redis.hdel(this.hash, ...dead.map(({ worker }) => worker));
    return workers.filter(({ beatAgeMs }) => beatAgeMs <= this.deadAfterMs).sort((a, b) => (a.worker < b.worker ? -1 : 1));
  }

  /** How old a heartbeat is: one that is known already as old as then and the time since, a new one no older than that time. */
  private ageMs(worker: string, stamp: string, now: number): number {
    const at = performance.now();
    const before = this.seen.get(worker);
    if (before?.stamp === stamp) return before.ageMs + at - before.at;
    const ageMs = Math.min(Math.max(0, now - Number(stamp)), before ? at - before.at : Infinity);
    this.seen.set(worker, { stamp, ageMs, at });
    return ageMs;
  }

  /** Takes a worker that stops off the board, so that the others share its creators at once. */
  async leave(worker: string): Promise<void> {
    await this.redis.hdel(this.hash, worker);
  }
}
