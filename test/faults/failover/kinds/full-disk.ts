import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kind, Preparation } from './kind.js';
import type { FailoverSystem } from '../failover-system.js';
import { onRedis } from '../servers.js';
import { makeSmallDisk, type SmallDisk } from '../small-disk.js';

/** How long a disk stays full, in ms. */
const FULL_MS = [8_000, 14_000] as const;
/** Redis rewrites its file of appends beside the old one, and needs room for both. */
const REDIS_MB = 192;
/** 3 segments of WAL and the data of one run. */
const POSTGRES_MB = 768;
const SPOOL_MB = 1;
/** What the spool keeps at most where it cannot have a small disk. */
const SPOOL_BYTES_MAX = 262_144;
/** Little memory, so that the spool is needed. */
const RETAIN_BYTES_MAX = 1_048_576;
/** Messages a second of each room while the spool is to be filled. */
const FLOOD = 12;

/** The small file system of one kind, where it can have one. */
class KindDisk {
  disk: SmallDisk | undefined;

  constructor(
    private readonly name: string,
    private readonly megabytes: number,
  ) {}

  async prepare(stack: (path: string) => Preparation['stack'], otherwise: Preparation): Promise<Preparation> {
    const { name, megabytes } = this;
    const disk = await makeSmallDisk(name, megabytes);
    this.disk = disk;
    if (!disk) return otherwise;
    return { stack: stack(disk.path), how: `a file system of ${megabytes} MB is filled`, undo: () => disk.remove() };
  }
}

const ofRedis = new KindDisk('redis', REDIS_MB);
const ofPostgres = new KindDisk('postgres', POSTGRES_MB);
const ofSpool = new KindDisk('spool', SPOOL_MB);

async function fullFor(system: FailoverSystem, fill: () => Promise<unknown>, free: () => unknown): Promise<void> {
  await fill();
  try {
    await system.pause(...FULL_MS);
  } finally {
    await free();
  }
}

/** Faults of full disks. Without the right to mount, the closest alternative is used, and the row names it. */
export const FULL: readonly Kind[] = [
  {
    name: 'disk-full-redis',
    title: 'the disk under Redis is full for 8 to 14 s',
    seconds: 25,
    losesNothing: true,
    stallMsMax: 45_000,
    prepare: () => {
      const spool = mkdtempSync(join(tmpdir(), 'tributary-spool-'));
      const removeSpool = () => Promise.resolve(rmSync(spool, { recursive: true, force: true }));
      return ofRedis
        .prepare((redis) => ({ folders: { redis, spool } }), {
          stack: {},
          how: 'maxmemory is set to 1 MB',
        })
        .then(({ undo, ...rest }) => ({ ...rest, undo: async () => void (await Promise.all([undo?.(), removeSpool()])) }));
    },
    inject: async (system) => {
      const { disk } = ofRedis;
      if (disk) return fullFor(system, disk.fill, disk.free);
      const limit = (bytes: string) => onRedis(system.redis, (redis) => redis.config('SET', 'maxmemory', bytes));
      await fullFor(
        system,
        () => limit('1mb'),
        () => limit('1gb'),
      );
    },
  },
  {
    name: 'memory-full-redis',
    title: 'Redis has no memory left (maxmemory below what it holds) for 8 to 14 s',
    seconds: 25,
    losesNothing: true,
    stallMsMax: 45_000,
    inject: async (system) => {
      const limit = (bytes: string) => onRedis(system.redis, (redis) => redis.config('SET', 'maxmemory', bytes));
      await fullFor(
        system,
        () => limit('1mb'),
        () => limit('1gb'),
      );
    },
  },
  {
    name: 'disk-full-postgres',
    title: 'the disk under PostgreSQL is full for 8 to 14 s',
    seconds: 30,
    losesNothing: true,
    stallMsMax: 60_000,
    prepare: () =>
      ofPostgres.prepare((postgres) => ({ folders: { postgres } }), {
        stack: {},
        how: 'a trigger refuses inserts with SQLSTATE 53100',
      }),
    inject: async (system) => {
      const { disk } = ofPostgres;
      if (!disk) return refusedInserts(system);
      await fullFor(system, disk.fill, disk.free);
      // A server that cannot write its log exits, and a supervisor starts it again.
      if (system.postgres.pid === 0) await system.postgres.start();
    },
  },
  {
    name: 'disk-full-spool',
    title: 'the disk under the spool is full while Redis is away for 12 to 20 s and rooms are busy',
    seconds: 45,
    stallMsMax: 60_000,
    prepare: () => {
      const env = { RETAIN_BYTES_MAX: String(RETAIN_BYTES_MAX) };
      return ofSpool.prepare((spool) => ({ env, folders: { spool } }), {
        stack: { env: { ...env, SPOOL_BYTES_MAX: String(SPOOL_BYTES_MAX) } },
        how: `SPOOL_BYTES_MAX=${SPOOL_BYTES_MAX}`,
      });
    },
    inject: async (system) => {
      const { disk } = ofSpool;
      await system.redis.stop();
      try {
        await system.sim('PATCH', '/rooms', { rate: FLOOD });
        await system.sleep(3_000);
        await disk?.fill();
        await system.pause(9_000, 17_000);
      } finally {
        await system.sim('PATCH', '/rooms', { rate: system.rate });
        await system.redis.start();
        disk?.free();
      }
    },
  },
];

async function refusedInserts(system: FailoverSystem): Promise<void> {
  const run = (sql: string) => system.pool.query(sql);
  await fullFor(
    system,
    () =>
      run(`create function faults_full() returns trigger language plpgsql as $$
             begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
           create trigger faults_full before insert on events for each row execute function faults_full()`),
    () => run('drop function faults_full cascade'),
  );
}
