import { LuaScript } from '@tributary/runtime/lua-script';
import type { Redis } from 'ioredis';
import type { WorkerRecord } from '../types.js';

/** A registered worker: its record and the age of its last heartbeat, by Redis' clock. */
export interface ListedWorker extends WorkerRecord {
  beatAgeMs: number;
}

const heartbeat = new LuaScript(new URL('./heartbeat.lua', import.meta.url));

/**
 * Hash `<prefix>:workers`: worker -> heartbeat. A worker without a heartbeat for three lease times is dead and is removed. The
 * reader measures that time by its own clock, from when it first saw the heartbeat: after a fail-over Redis' clock is another one.
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

  /** Writes this worker's heartbeat. Its age is measured by Redis' clock, so that the clocks of two machines need not agree. */
  async heartbeat(record: WorkerRecord): Promise<void> {
    await heartbeat.run(this.redis, [this.hash], [record.worker, JSON.stringify(record)]);
  }

  /** Living workers by name. Removes dead ones. */
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

  /** Age of a heartbeat. One seen before is as old as it was then plus the time since; a new one is at most as old as that time. */
  private ageMs(worker: string, stamp: string, now: number): number {
    const at = performance.now();
    const before = this.seen.get(worker);
    if (before?.stamp === stamp) return before.ageMs + at - before.at;
    const ageMs = Math.min(Math.max(0, now - Number(stamp)), before ? at - before.at : Infinity);
    this.seen.set(worker, { stamp, ageMs, at });
    return ageMs;
  }

  /** Removes a worker that stops, so that the others share its creators at once. */
  async leave(worker: string): Promise<void> {
    await this.redis.hdel(this.hash, worker);
  }
}
