import type { Redis } from 'ioredis';
import type { LogKeys } from './keys.js';

/** Bytes the whole inbox may take: as configured, or half of Redis's maxmemory; 0 where neither sets a bound. */
export async function inboxBytes(redis: Redis, configured: number): Promise<number> {
  if (configured > 0) return configured;
  const maxmemory = /^maxmemory:(\d+)/m.exec(await redis.info('memory'))?.[1];
  return Math.floor(Number(maxmemory ?? 0) / 2);
}

/**
 * Records the number of partitions at the first use of a Redis, and refuses another one later: a creator would move to
 * a partition where its earlier events are not.
 * @returns one sentence when it differs, else undefined.
 */
export async function disagreementOnPartitions(redis: Redis, keys: LogKeys): Promise<string | undefined> {
  await redis.setnx(keys.partitionCount, keys.partitions);
  const recorded = Number(await redis.get(keys.partitionCount));
  if (recorded === keys.partitions) return undefined;
  return `PARTITIONS is ${keys.partitions}, but this Redis was first used with ${recorded}; set it back`;
}
