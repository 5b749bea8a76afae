import { LogKeys } from '@tributary/log';
import { startPostgres, startRedis } from '@tributary/testing';
import type { Kind } from './kind.js';
import { followPostgres, followRedis, onRedis } from '../servers.js';

/** The last part of its life that a replica has not got, in ms. */
const LAG_MS = 1_000;
/** How far ahead of others the clock of the old Redis runs. */
const AHEAD_MS = 4_000;
const KEYS = new LogKeys('tributary', 8);
const SET_AHEAD = `if redis.call('EXISTS', KEYS[1]) == 1 then
  local now = redis.call('TIME')
  redis.call('XSETID', KEYS[1], string.format('%.0f-0', now[1] * 1000 + ARGV[1]))
end`;

const emptyRedis = () => startRedis({ appendonly: 'everysec', maxmemory: '1gb' });

/** Faults that replace a server by another one under the same address. */
export const REPLACED: readonly Kind[] = [
  {
    name: 'postgres-replica',
    title: 'PostgreSQL is replaced by a streaming replica that lacks its last second',
    seconds: 30,
    losesNothing: true,
    stallMsMax: 30_000,
    inject: async (system) => {
      const follower = await followPostgres(system.postgres, await system.backup());
      system.atEnd(() => follower.remove());
      await system.pause(1_000, 4_000);
      follower.link.freeze();
      await system.sleep(LAG_MS);
      await system.replacePostgres(() => follower.promote());
    },
  },
  {
    name: 'postgres-yesterday',
    title: 'PostgreSQL is restored from an older base backup; every second time beside a Redis that was lost with it',
    seconds: 40,
    stallMsMax: 30_000,
    inject: async (system, n) => {
      const backup = await system.backup();
      await system.pause(10_000, 20_000);
      const restore = () => startPostgres({ copyOf: backup });
      if (n % 2 === 0) await system.replacePostgres(restore);
      else await system.replacePostgres(restore, () => system.replaceRedis(emptyRedis));
    },
  },
  {
    name: 'postgres-older-twice',
    title: 'PostgreSQL is restored from a base backup, and then again from a still older one',
    seconds: 50,
    losesNothing: true,
    stallMsMax: 30_000,
    inject: async (system) => {
      const older = await system.backup();
      await system.pause(5_000, 10_000);
      const newer = await system.backup();
      await system.pause(5_000, 10_000);
      await system.replacePostgres(() => startPostgres({ copyOf: newer }));
      await system.pause(3_000, 8_000);
      await system.replacePostgres(() => startPostgres({ copyOf: older }));
    },
  },
  {
    name: 'redis-replica',
    title: 'Redis is replaced by a replica that lacks its last second',
    seconds: 20,
    losesNothing: true,
    stallMsMax: 30_000,
    inject: async (system) => {
      const follower = await followRedis(system.redis);
      system.atEnd(() => follower.remove());
      await system.pause(1_000, 4_000);
      follower.link.freeze();
      await system.sleep(LAG_MS);
      await system.replaceRedis(() => follower.promote());
    },
  },
  {
    name: 'redis-empty',
    title: 'Redis is replaced by an empty one; every second time while one worker cannot reach it for 8 s',
    seconds: 22,
    stallMsMax: 40_000,
    inject: async (system, n) => {
      const late = n % 2 === 1 ? system.stack.workers[n % system.stack.workers.length] : undefined;
      late?.signal('SIGSTOP');
      try {
        await system.replaceRedis(emptyRedis);
        if (late) await system.sleep(8_000);
      } finally {
        late?.signal('SIGCONT');
      }
    },
  },
  {
    name: 'redis-clock-behind',
    title:
      'Redis is replaced by a replica that lacks its last second and whose clock is 4 s behind; every second time the api is paused over that',
    seconds: 28,
    losesNothing: true,
    stallMsMax: 40_000,
    inject: async (system, n) => {
      const follower = await followRedis(system.redis);
      system.atEnd(() => follower.remove());
      await system.pause(1_000, 3_000);
      follower.link.freeze();
      // Ids of entries are times: those of the old server run ahead from here on, and its replica does not get them.
      await onRedis(system.redis, async (redis) => {
        for (let partition = 0; partition < KEYS.partitions; partition++) await redis.eval(SET_AHEAD, 1, KEYS.inbox(partition), AHEAD_MS);
      });
      await system.sleep(LAG_MS);
      if (n % 2 === 1) system.stack.api.signal('SIGSTOP');
      try {
        await system.replaceRedis(() => follower.promote());
        if (n % 2 === 1) await system.sleep(AHEAD_MS + 2_000);
      } finally {
        system.stack.api.signal('SIGCONT');
      }
    },
  },
];
