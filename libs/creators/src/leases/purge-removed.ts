import type { Redis } from 'ioredis';
import { LuaScript } from '@tributary/runtime/lua-script';
import type { LeaseKeys } from './lease-manager.js';
import { offersKey } from '../handover/handover-offers.js';

const script = new LuaScript(new URL('./purge-removed.lua', import.meta.url));
/** Creators named in one command. */
const IDS_PER_COMMAND = 1_000;

/**
 * Deletes the leases and state of creators that are no longer monitored, once they had no holder for
 * `keepMs`. A creator that comes back sooner finds its old fence; one that comes back later gets a higher one by the clock.
 * @returns the ids of those that were forgotten.
 */
export async function purgeRemovedCreators(
  { redis, keys }: { redis: Redis; keys: LeaseKeys },
  isMonitored: (creatorId: string) => boolean,
  keepMs: number,
): Promise<string[]> {
  const forgotten: string[] = [];
  for (let partition = 0; partition < keys.partitions; partition += 1) {
    const removed = (await redis.hkeys(keys.leases(partition))).filter((id) => !isMonitored(id));
    const scriptKeys = [keys.leases(partition), keys.handoverState(partition), keys.last(partition), offersKey(keys, partition)];
    for (let at = 0; at < removed.length; at += IDS_PER_COMMAND) {
      const ids = await script.run(redis, scriptKeys, [keepMs, ...removed.slice(at, at + IDS_PER_COMMAND)]);
      forgotten.push(...(ids as string[]));
    }
  }
  return forgotten;
}
