import type { Redis } from 'ioredis';
import type { LogKeys } from './log-keys.js';

/** From this share of its maxmemory on Redis counts as short of memory, and stored entries are trimmed early. */
const SHORT_SHARE = 0.9;

/** Bytes the whole inbox may take: as configured, or half of Redis's maxmemory; 0 where neither sets a bound. */
export async function inboxBytes(redis: Redis, configured: number): Promise<number> {
  return (await memoryOf(redis, configured)).inboxBytesMax;
}

/** Limits that Redis's memory sets: the inbox's bound in bytes (0: none), and whether little memory is left. */
export async function memoryOf(redis: Redis, configured: number): Promise<{ inboxBytesMax: number; isShort: boolean }> {
  const info = await redis.info('memory');
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  const max = field('maxmemory');
  return { inboxBytesMax: configured > 0 ? configured : Math.floor(max / 2), isShort: max > 0 && field('used_memory') > max * SHORT_SHARE };
}

/**
 * Records the number of partitions at the first use of a Redis, and refuses another one later: a creator would move to
 * a partition where its earlier events are not.
 * @returns one sentence when it differs, else undefined.
 */
export async function disagreementOnPartitions(redis: Redis, keys: LogKeys): Promise<string | undefined> {
  // Written only where it is missing: a Redis out of memory refuses writes, and the store that frees memory must be able to start.
  const known = await redis.get(keys.partitionCount);
  if (known === null) await redis.setnx(keys.partitionCount, keys.partitions);
  const recorded = Number(known ?? (await redis.get(keys.partitionCount)));
  if (recorded === keys.partitions) return undefined;
  return `PARTITIONS is ${keys.partitions}, but this Redis was first used with ${recorded}; set it back`;
}
