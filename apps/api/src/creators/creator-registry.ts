import { Inject, Injectable } from '@nestjs/common';
import { type CreatorOptions, CreatorProjection, type CreatorRecord } from '@tributary/creators';
import { Config, type Logger, Problem, inTransaction } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { newId } from '../ids.js';
import { ProjectionKeeper } from '../projections/projection-keeper.js';
import { bumpLimitedKeys, bumpVersion } from '../projections/versions.js';
import { LOGGER, POOL, REDIS } from '../resources.js';
import { readLastSeen } from './last-seen.js';
import { CreatorOptionsKeeper, type NewOptions } from './creator-options.js';

/** A monitored creator as PostgreSQL holds it. */
export interface StoredCreator {
  id: string;
  uniqueId: string;
  userId: string | null;
  paused: boolean;
  /** Since when it is paused; null while it is not. */
  pausedSince: Date | null;
  options: CreatorOptions;
  createdAt: Date;
  updatedAt: Date;
}

/** What decides, beside its worker, in which state a creator is. */
export type CreatorTimes = Pick<StoredCreator, 'paused' | 'pausedSince' | 'updatedAt'>;

export interface CreatorFilter {
  /** Part of the handle, or a whole user id. */
  q?: string;
  paused?: boolean;
  allowedCreators?: AllowedCreators;
}

/** What is done to many creators at once. */
export type BatchAction = 'pause' | 'resume' | 'remove';

/** What became of one creator named in a batch: `unchanged` was paused, or running, already. */
export interface Changed {
  result: 'done' | 'unchanged' | 'unknown';
  id?: string;
  uniqueId?: string;
}

/** What became of one creator to be added. `refused`: the caller may not have it monitored. */
export type Added = { result: 'created' | 'exists'; creator: StoredCreator } | { result: 'refused' };

/** Ids of the creators that a caller is limited to; undefined: it is not. */
export type AllowedCreators = readonly string[] | undefined;

const COLUMNS = `id, unique_id as "uniqueId", user_id as "userId", paused, paused_since as "pausedSince", options, created_at as "createdAt", updated_at as "updatedAt"`;

/** The creators: PostgreSQL is the truth, each change is copied to Redis for the workers. */
@Injectable()
export class CreatorRegistry {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly keeper: ProjectionKeeper,
    private readonly options: CreatorOptionsKeeper,
    @Inject(REDIS) redis: Redis,
    config: Config,
  ) {
    const projection = new CreatorProjection({ redis, prefix: config.redisPrefix });
    keeper.add({
      name: 'creators',
      copiedVersion: () => projection.version(),
      copy: async (client, version) => {
        const records = await readRecords(client);
        if (await projection.write(records, version)) return;
        // Where there is no copy, what stood beside the leases may be gone too.
        if (await projection.write(records, version, await readLastSeen(client))) return;
        throw new Error('Redis was wiped while the creators were copied to it');
      },
    });
  }

  /**
   * Adds creators by handle in one transaction; the result is in the order of `wanted`. One that was removed before comes
   * back under its old id, with its history; one that is there keeps its options. With `allowedCreators`, all others are refused.
   */
  async add(wanted: readonly { uniqueId: string; options: NewOptions }[], allowedCreators?: AllowedCreators): Promise<Added[]> {
    return this.change(async (client) => {
      const open = allowedCreators && (await allowedNames(client, wanted, allowedCreators));
      const names = wanted.map(({ uniqueId }) => uniqueId).filter((name) => !open || open.has(name));
      const revived = await client.query<{ id: string; uniqueId: string }>(
        `with last as (
           select distinct on (unique_id) id, unique_id, user_id from creators
           where unique_id = any($1) and deleted_at is not null order by unique_id, deleted_at desc)
         update creators c set deleted_at = null, paused = false, updated_at = now() from last
         where c.id = last.id and not exists (
           select from creators other where other.deleted_at is null
             and (other.unique_id = last.unique_id or other.user_id = last.user_id))
         returning c.id, c.unique_id as "uniqueId"`,
        [names],
      );
      // Of two equal names in one call the first counts.
      const options = new Map([...wanted].reverse().map((one) => [one.uniqueId, one.options]));
      const optionsOf = (id: string, uniqueId: string) => JSON.stringify(this.options.seal(id, options.get(uniqueId)!));
      if (revived.rows.length > 0) {
        await client.query(
          `update creators c set options = given.options from unnest($1::text[], $2::jsonb[]) as given (id, options) where c.id = given.id`,
          [revived.rows.map(({ id }) => id), revived.rows.map(({ id, uniqueId }) => optionsOf(id, uniqueId))],
        );
      }
      const ids = names.map(() => newId('cr_'));
      const inserted = await client.query<{ id: string }>(
        `insert into creators (id, unique_id, options)
         select * from unnest($1::text[], $2::text[], $3::jsonb[])
         on conflict (unique_id) where deleted_at is null do nothing returning id`,
        [ids, names, names.map((name, i) => optionsOf(ids[i]!, name))],
      );
      const fresh = new Set([...revived.rows, ...inserted.rows].map(({ id }) => id));
      await client.query(
        `insert into creator_handles (creator_id, unique_id) select id, unique_id from creators where id = any($1) on conflict do nothing`,
        [[...fresh]],
      );
      const { rows } = await client.query<StoredCreator>(
        `select ${COLUMNS} from creators where deleted_at is null and unique_id = any($1)`,
        [names],
      );
      // The account of a removed one may have a new entry: then its old id does not come back.
      if (allowedCreators && rows.some(({ id }) => !allowedCreators.includes(id)))
        throw new Problem('forbidden', 'this key may not add this creator');
      const byName = new Map(rows.map((row) => [row.uniqueId, row]));
      return wanted.map(({ uniqueId }): Added => {
        const creator = byName.get(uniqueId);
        if (!creator) return { result: 'refused' };
        // The second of two equal names in one call meets the first.
        return { result: fresh.delete(creator.id) ? 'created' : 'exists', creator };
      });
    });
  }

  /** Creators by id after `after`. */
  async list(filter: CreatorFilter, after: string, limit: number): Promise<StoredCreator[]> {
    const { rows } = await this.pool.query<StoredCreator>(
      `select ${COLUMNS} from creators
       where deleted_at is null and id > $1
         and ($2::text is null or strpos(unique_id, $2) > 0 or user_id = $2)
         and ($3::boolean is null or paused = $3)
         and ($4::text[] is null or id = any($4))
       order by id limit $5`,
      [after, filter.q?.toLowerCase().replace(/^@/, '') ?? null, filter.paused ?? null, filter.allowedCreators ?? null, limit],
    );
    return rows;
  }

  /** A monitored creator by internal id, `@handle` or handle. */
  async find(ref: string): Promise<StoredCreator | undefined> {
    const { rows } = await this.pool.query<StoredCreator>(
      `select ${COLUMNS} from creators where deleted_at is null and (id = $1 or unique_id = $2) order by id = $1 desc limit 1`,
      [ref, ref.replace(/^@/, '').toLowerCase()],
    );
    return rows[0];
  }

  /** Handles a creator has had, newest first. */
  async handles(id: string): Promise<{ uniqueId: string; seenAt: Date }[]> {
    const { rows } = await this.pool.query<{ uniqueId: string; seenAt: Date }>(
      'select unique_id as "uniqueId", seen_at as "seenAt" from creator_handles where creator_id = $1 order by seen_at desc limit 100',
      [id],
    );
    return rows;
  }

  /**
   * Internal ids of creators named by id, handle or former handle, removed ones included: their events are still there. With
   * `allowedCreators`, all others are as unknown as names that were never monitored; those are in `unknown`.
   */
  async resolve(refs: readonly string[], allowedCreators?: AllowedCreators): Promise<{ ids: string[]; unknown: string[] }> {
    const names = refs.map(nameOf);
    const { rows } = await this.pool.query<{ ref: string; ids: string[] }>(
      `select ref, array_remove(array_agg(distinct found.id), null) as ids
       from unnest($1::text[], $2::text[]) as wanted (ref, name)
       left join lateral (
         select id from (
           select id from creators where id = ref or unique_id = name
           union select creator_id from creator_handles where unique_id = name) named
         where $3::text[] is null or id = any($3)) found on true
       group by ref`,
      [refs, names, allowedCreators ?? null],
    );
    return { ids: rows.flatMap(({ ids }) => ids), unknown: rows.filter(({ ids }) => ids.length === 0).map(({ ref }) => ref) };
  }

  /**
   * Internal ids of creators that are monitored now, named by id or present handle: who had a handle before is not meant by it.
   * `unknown` lists the other names.
   */
  async monitored(refs: readonly string[]): Promise<{ ids: string[]; unknown: string[] }> {
    const { rows } = await this.pool.query<NamedCreator>(NAMED, [refs, refs.map(nameOf)]);
    const known = new Set(rows.map(({ ref }) => ref));
    return { ids: [...new Set(rows.map(({ id }) => id))], unknown: refs.filter((ref) => !known.has(ref)) };
  }

  /** Changes the creator with this id; undefined when there is none. */
  async update(id: string, patch: { paused?: boolean; options?: NewOptions }): Promise<StoredCreator | undefined> {
    return this.change(async (client) => {
      const { rows } = await client.query<StoredCreator>(
        `update creators set paused = coalesce($2, paused), options = coalesce($3, options), updated_at = now()
         where id = $1 and deleted_at is null returning ${COLUMNS}`,
        [id, patch.paused ?? null, patch.options ? JSON.stringify(this.options.seal(id, patch.options)) : null],
      );
      return rows[0];
    });
  }

  /** Ends the monitoring of the creator with this id; its events stay. False when there is none. */
  async remove(id: string): Promise<boolean> {
    return this.change(async (client) => {
      const { rowCount } = await client.query(
        'update creators set deleted_at = now(), updated_at = now() where id = $1 and deleted_at is null',
        [id],
      );
      return rowCount === 1;
    });
  }

  /**
   * Pauses, resumes or removes many creators, named by id or handle, in one transaction; the result is in the order of `refs`.
   * With `allowedCreators`, all others are unknown.
   */
  async changeMany(action: BatchAction, refs: readonly string[], allowedCreators?: AllowedCreators): Promise<Changed[]> {
    return this.change(async (client) => {
      const named = await client.query<NamedCreator>(NAMED, [refs, refs.map(nameOf)]);
      const rows = named.rows.filter(({ id }) => !allowedCreators || allowedCreators.includes(id));
      const found = new Map(rows.map((row) => [row.ref, row]));
      const isDue = ({ paused }: { paused: boolean }) => action === 'remove' || paused !== (action === 'pause');
      const due = new Set(rows.filter(isDue).map(({ id }) => id));
      const set = action === 'remove' ? 'deleted_at = now()' : `paused = ${action === 'pause'}`;
      await client.query(`update creators set ${set}, updated_at = now() where id = any($1)`, [[...due]]);
      return refs.map((ref): Changed => {
        const creator = found.get(ref);
        if (!creator) return { result: 'unknown' };
        // The second of two equal names in one call meets what the first has done.
        return { result: due.delete(creator.id) ? 'done' : 'unchanged', id: creator.id, uniqueId: creator.uniqueId };
      });
    });
  }

  /** Counts of monitored creators, those in `allowedCreators` where it is given. */
  async count(allowedCreators?: AllowedCreators): Promise<{ total: number; paused: number }> {
    const { rows } = await this.pool.query<{ total: number; paused: number }>(
      `select count(*)::int as total, count(*) filter (where paused)::int as paused from creators
       where deleted_at is null and ($1::text[] is null or id = any($1))`,
      [allowedCreators ?? null],
    );
    return rows[0]!;
  }

  /** Ids of monitored creators after `after`, with the user id as far as it is known and what decides their state; those in `allowedCreators` where it is given. */
  async page(
    after: string,
    limit: number,
    allowedCreators?: AllowedCreators,
  ): Promise<(CreatorTimes & { id: string; userId: string | null })[]> {
    const { rows } = await this.pool.query<CreatorTimes & { id: string; userId: string | null }>(
      `select id, user_id as "userId", paused, paused_since as "pausedSince", updated_at as "updatedAt" from creators
       where deleted_at is null and id > $1 and ($3::text[] is null or id = any($3)) order by id limit $2`,
      [after, limit, allowedCreators ?? null],
    );
    return rows;
  }

  /**
   * Records the TikTok user id of a creator. When an older creator has that user id already, the account changed its
   * handle: the older one takes over the handle and stays, the newer is removed.
   */
  async learnUserId(id: string, userId: string): Promise<void> {
    await this.change(async (client) => {
      const { rows } = await client.query<{ id: string; uniqueId: string; userId: string | null }>(
        `select id, unique_id as "uniqueId", user_id as "userId" from creators where deleted_at is null and (id = $1 or user_id = $2)`,
        [id, userId],
      );
      const learner = rows.find((row) => row.id === id);
      const owner = rows.find((row) => row.id !== id);
      if (!learner || learner.userId !== null) return;
      if (!owner) {
        await client.query('update creators set user_id = $2, updated_at = now() where id = $1', [id, userId]);
        return;
      }
      await client.query('update creators set deleted_at = now(), updated_at = now() where id = $1', [id]);
      await client.query('update creators set unique_id = $2, updated_at = now() where id = $1', [owner.id, learner.uniqueId]);
      await client.query(
        `insert into creator_handles (creator_id, unique_id) values ($1, $2)
         on conflict (creator_id, unique_id) do update set seen_at = now()`,
        [owner.id, learner.uniqueId],
      );
      this.logger.info(
        { creator: owner.id, before: owner.uniqueId, uniqueId: learner.uniqueId, removed: id },
        'a creator changed its handle; its two entries became one',
      );
    });
  }

  private async change<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const result = await inTransaction(this.pool, async (client) => {
      await bumpVersion(client, 'creators');
      await bumpLimitedKeys(client);
      return work(client);
    });
    this.keeper.changed('creators');
    this.keeper.changed('keys');
    return result;
  }
}

/** A monitored creator by the text that named it. */
interface NamedCreator {
  ref: string;
  id: string;
  uniqueId: string;
  paused: boolean;
}

/** By internal id ($1) or present handle ($2, in the same order). */
const NAMED = `select distinct on (ref) ref, id, unique_id as "uniqueId", paused
  from unnest($1::text[], $2::text[]) as wanted (ref, name)
  join creators on deleted_at is null and (id = ref or unique_id = name)
  order by ref, id = ref desc`;

function nameOf(ref: string): string {
  return ref.replace(/^@/, '').toLowerCase();
}

/** The names whose creator, as {@link CreatorRegistry.add} would find or bring it back, is among the allowed ones. */
async function allowedNames(
  client: pg.PoolClient,
  wanted: readonly { uniqueId: string }[],
  allowedCreators: readonly string[],
): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string; uniqueId: string }>(
    `select distinct on (unique_id) id, unique_id as "uniqueId" from creators where unique_id = any($1)
     order by unique_id, deleted_at desc nulls first`,
    [wanted.map(({ uniqueId }) => uniqueId)],
  );
  return new Set(rows.filter(({ id }) => allowedCreators.includes(id)).map(({ uniqueId }) => uniqueId));
}

async function readRecords(client: pg.PoolClient): Promise<CreatorRecord[]> {
  const { rows } = await client.query<Omit<CreatorRecord, 'userId'> & { userId: string | null }>(
    `select id, unique_id as "uniqueId", user_id as "userId", paused, options,
       floor(extract(epoch from updated_at) * 1000)::float8 as "changedAt"
     from creators where deleted_at is null order by id`,
  );
  return rows.map(({ userId, ...row }) => (userId === null ? row : { ...row, userId }));
}
