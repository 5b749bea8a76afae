import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Config, SecretBox, inTransaction } from '@tributary/runtime';
import type { Pool, PoolClient } from 'pg';
import { newId } from '../../ids.js';
import { POOL } from '../../resources.js';
import type { Endpoint, EndpointSettings, EndpointState, SealedPart } from '../../delivery/endpoint/endpoint.js';
import { ENDPOINT_COLUMNS, type EndpointRow, settingColumns, toEndpoint } from '../../delivery/endpoint/endpoint-row.js';
import type { FailureCategory } from '../../outbound/outcome.js';
import { newSecretPair, type SecretPair } from '../../delivery/request/signature.js';

/** An endpoint and how it is doing. */
export interface EndpointStatus extends Endpoint {
  position: number;
  failingSince: Date | null;
  succeededAt: Date | null;
  failedAt: Date | null;
  /** Why that attempt failed, and the status where there was an answer; null where that was not recorded. */
  failedCategory: FailureCategory | null;
  failedStatus: number | null;
  throttledUntil: Date | null;
  /** Deliveries that are planned and not finished. */
  open: number;
  /** Those of them that have failed and wait for another attempt. */
  retrying: number;
  /** When the oldest event of what is planned and not delivered was received; replays aside. */
  oldestOpenAt: Date | null;
  /** The newest deliveries that had an attempt, tests aside: at most {@link RECENT_MAX}. */
  delivered: number;
  failed: number;
  /** Why the last of them that ever failed did. */
  lastCategory: FailureCategory | null;
  /** Deliveries that were given up; {@link DEAD_COUNTED_MAX} stands for that many or more. */
  dead: number;
}

export type Created =
  { kind: 'created' | 'repeated'; endpoint: Endpoint } | { kind: 'full' } | { kind: 'other-request' } | { kind: 'deleted' };

export const RECENT_MAX = 20;
export const DEAD_COUNTED_MAX = 1_000;
const STATUS_FROM = `webhook_endpoints e join webhook_cursors r on r.id = e.id
  cross join lateral (
    select (d.n + u.n)::int as open, d.retrying::int as retrying, least(d.seq, u.seq) as seq
    from (select count(*) as n, count(*) filter (where attempt > 0) as retrying, min(seq) filter (where not test and replay_id is null) as seq
      from webhook_deliveries where endpoint_id = e.id and state = 'open') d,
    (select count(*) as n, min(seq) filter (where replay_id is null) as seq from webhook_planned_deliveries where endpoint_id = e.id) u) o
  cross join lateral (
    select received_from_seq(o.seq) as at) l
  cross join lateral (
    with newest as (
      select id, state, attempt, attempts from webhook_deliveries
      where endpoint_id = e.id and not test and attempt > 0 and state in ('open', 'delivered', 'dead') order by id desc limit ${RECENT_MAX})
    select (select count(*) from newest where state = 'delivered')::int as delivered,
      (select count(*) from newest where state <> 'delivered')::int as failed,
      (select attempts[cardinality(attempts) - (state = 'delivered')::int]::jsonb->>'category' from newest
        where state <> 'delivered' or attempt > 1 order by id desc limit 1) as "lastCategory",
      (select count(*) from (select from webhook_deliveries where endpoint_id = e.id and state = 'dead' and not test limit ${DEAD_COUNTED_MAX}) x)::int
        as dead) c`;
const STATUS_COLUMNS = `${ENDPOINT_COLUMNS}, r.position::float8 as position, r.failing_since as "failingSince",
  r.succeeded_at as "succeededAt", r.failed_at as "failedAt", r.failed_category as "failedCategory", r.failed_status as "failedStatus", r.throttled_until as "throttledUntil", o.open, o.retrying,
  l.at as "oldestOpenAt", c.delivered, c.failed, c."lastCategory", c.dead`;
/** The open deliveries of an endpoint, locked in the order in which results are written. */
const LOCKED = `with locked as (select id from webhook_deliveries where endpoint_id = $1 and state = 'open' order by id for update)`;

type StatusRow = EndpointRow & Omit<EndpointStatus, keyof Endpoint>;

/** The endpoints, as their owners see and change them. */
@Injectable()
export class EndpointStore {
  constructor(
    @Inject(POOL) private readonly pool: Pool,
    private readonly box: SecretBox,
    private readonly config: Config,
  ) {}

  /**
   * Makes an endpoint that reads on after `position`, or from the head of the log. With an idempotency key the same request
   * of the same key gives the same endpoint for a day.
   * @param owner the key that it belongs to; null: the operator
   */
  async create(
    keyId: string,
    owner: string | null,
    settings: EndpointSettings,
    options: { position?: number; sharedSecret?: string; idempotency?: { key: string; request: string } },
  ): Promise<Created> {
    const { idempotency } = options;
    const hash = createHash('sha256')
      .update(idempotency?.request ?? '')
      .digest('hex');
    return inTransaction(this.pool, async (client) => {
      // Counting and repeating must not race with the same caller's other requests.
      await client.query('select pg_advisory_xact_lock(hashtextextended($1, 7241))', [owner ?? 'the operator']);
      const before = idempotency && (await this.earlier(client, keyId, idempotency.key));
      if (before) {
        if (before.hash !== hash) return { kind: 'other-request' };
        // One that was given to somebody else meanwhile is theirs, and so is its secret.
        return before.endpoint?.owner.keyId === owner ? { kind: 'repeated', endpoint: before.endpoint } : { kind: 'deleted' };
      }
      const { rows: counts } = await client.query<{ n: number }>(
        'select count(*)::int as n from webhook_endpoints where key_id is not distinct from $1 and deleted_at is null',
        [owner],
      );
      if (counts[0]!.n >= this.config.webhookEndpointsPerKeyMax) return { kind: 'full' };
      const id = newId('wh_');
      const part: SealedPart = { secrets: [newSecretPair(options.sharedSecret)], headers: settings.headers };
      const columns = { id, key_id: owner, ...settingColumns(id, settings, part, this.box) };
      const { rows } = await client.query<EndpointRow>(
        `insert into webhook_endpoints as e (${Object.keys(columns).join(', ')})
         values (${Object.keys(columns)
           .map((_, i) => `$${i + 1}`)
           .join(', ')}) returning ${ENDPOINT_COLUMNS}`,
        Object.values(columns),
      );
      await client.query(
        'insert into webhook_cursors (id, endpoint_id, position) values ($1, $1, coalesce($2, (select seq from log_head)))',
        [id, options.position ?? null],
      );
      if (idempotency) {
        await client.query('insert into webhook_creations (key_id, idempotency_key, request_hash, endpoint_id) values ($1, $2, $3, $4)', [
          keyId,
          idempotency.key,
          hash,
          id,
        ]);
      }
      return { kind: 'created', endpoint: toEndpoint(rows[0]!, this.box) };
    });
  }

  async find(id: string): Promise<EndpointStatus | undefined> {
    const { rows } = await this.pool.query<StatusRow>(
      `select ${STATUS_COLUMNS} from ${STATUS_FROM} where e.id = $1 and e.deleted_at is null`,
      [id],
    );
    return rows[0] && this.toStatus(rows[0]);
  }

  /** Whether there is an endpoint with this id, of this key where one is given. */
  async exists(id: string, keyId: string | undefined): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      'select from webhook_endpoints where id = $1 and deleted_at is null and ($2::text is null or key_id = $2)',
      [id, keyId ?? null],
    );
    return rowCount === 1;
  }

  /** Endpoints by id after `after`: those of one key where it is given. */
  async list(filter: { state?: EndpointState; keyId?: string }, after: string, limit: number): Promise<EndpointStatus[]> {
    const { rows } = await this.pool.query<StatusRow>(
      `select ${STATUS_COLUMNS} from ${STATUS_FROM}
       where e.deleted_at is null and e.id > $1 and ($2::text is null or e.state = $2) and ($3::text is null or e.key_id = $3)
       order by e.id limit $4`,
      [after, filter.state ?? null, filter.keyId ?? null, limit],
    );
    return rows.map((row) => this.toStatus(row));
  }

  /** Replaces settings, secrets and owner by what `change` makes of them; undefined when there is no such endpoint. */
  async change(
    id: string,
    change: (endpoint: Endpoint) => { settings?: EndpointSettings; secrets?: SecretPair[]; keyId?: string | null },
  ): Promise<Endpoint | undefined> {
    return inTransaction(this.pool, async (client) => {
      const { rows } = await client.query<EndpointRow>(
        `select ${ENDPOINT_COLUMNS} from webhook_endpoints e where e.id = $1 and e.deleted_at is null for update`,
        [id],
      );
      if (!rows[0]) return undefined;
      const before = toEndpoint(rows[0], this.box);
      const { settings = before, secrets = before.secrets, keyId = before.owner.keyId } = change(before);
      const columns = { key_id: keyId, ...settingColumns(id, settings, { secrets, headers: settings.headers }, this.box) };
      const changed = await client.query<EndpointRow>(
        `update webhook_endpoints e set ${Object.keys(columns)
          .map((name, i) => `${name} = $${i + 2}`)
          .join(', ')},
           version = version + 1, updated_at = now() where e.id = $1 returning ${ENDPOINT_COLUMNS}`,
        [id, ...Object.values(columns)],
      );
      return toEndpoint(changed.rows[0]!, this.box);
    });
  }

  /** Pauses an enabled endpoint; its backlog stays. */
  async pause(id: string): Promise<'paused' | 'unknown' | 'disabled'> {
    const { rows } = await this.pool.query<{ state: EndpointState }>(
      `update webhook_endpoints set state = case when state = 'enabled' then 'paused' else state end,
         state_since = case when state = 'enabled' then now() else state_since end,
         version = version + 1, updated_at = now()
       where id = $1 and deleted_at is null returning state`,
      [id],
    );
    if (!rows[0]) return 'unknown';
    return rows[0].state === 'disabled' ? 'disabled' : 'paused';
  }

  /** Enables an endpoint again: it goes on where it stopped, or, with `skip`, at the head of the log. */
  async resume(id: string, skip: boolean): Promise<boolean> {
    return inTransaction(this.pool, async (client) => {
      const { rowCount } = await client.query(
        `update webhook_endpoints set state = 'enabled', reason = null,
           state_since = case when state = 'enabled' then state_since else now() end, version = version + 1, updated_at = now()
         where id = $1 and deleted_at is null`,
        [id],
      );
      if (rowCount === 0) return false;
      // Without its claim a runner that still holds the endpoint cannot move the position from where it was.
      await client.query(
        `update webhook_cursors set failing_since = null, throttled_until = null,
           position = case when $2 then (select seq from log_head) else position end, claimed_by = case when $2 then null else claimed_by end
         where id = $1`,
        [id, skip],
      );
      if (skip) await client.query('delete from webhook_planned_batches where endpoint_id = $1', [id]);
      await client.query(
        skip
          ? `${LOCKED} update webhook_deliveries d set state = 'cancelled', ended_at = now() from locked where d.endpoint_id = $1 and d.id = locked.id`
          : `${LOCKED} update webhook_deliveries d set next_attempt_at = now() from locked
             where d.endpoint_id = $1 and d.id = locked.id and d.next_attempt_at > now()`,
        [id],
      );
      return true;
    });
  }

  /** Removes an endpoint; what it leaves is cleaned up in the background. */
  async remove(id: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `update webhook_endpoints set deleted_at = now(), state = 'disabled', version = version + 1 where id = $1 and deleted_at is null`,
      [id],
    );
    return rowCount === 1;
  }

  /** When the oldest event of what is planned and not delivered was received; null where nothing is. */
  async oldestOpen(id: string): Promise<Date | null> {
    const { rows } = await this.pool.query<{ at: Date | null }>(
      `select received_at as at from events_by_seq(array[least(
         (select min(seq) from webhook_deliveries where endpoint_id = $1 and state = 'open' and not test),
         (select min(seq) from webhook_planned_deliveries where endpoint_id = $1))])`,
      [id],
    );
    return rows[0]?.at ?? null;
  }

  private async earlier(client: PoolClient, keyId: string, key: string): Promise<{ hash: string; endpoint?: Endpoint } | undefined> {
    const { rows } = await client.query<Partial<EndpointRow> & { hash: string; deleted: boolean }>(
      `select c.request_hash as hash, e.deleted_at is not null as deleted, ${ENDPOINT_COLUMNS}
       from webhook_creations c join webhook_endpoints e on e.id = c.endpoint_id
       where c.key_id = $1 and c.idempotency_key = $2`,
      [keyId, key],
    );
    const [row] = rows;
    if (!row) return undefined;
    const { hash, deleted, ...endpoint } = row;
    return deleted ? { hash } : { hash, endpoint: toEndpoint(endpoint as EndpointRow, this.box) };
  }

  private toStatus(row: StatusRow): EndpointStatus {
    const { position, failingSince, succeededAt, failedAt, failedCategory, failedStatus, throttledUntil, ...rest } = row;
    const { open, retrying, oldestOpenAt, delivered, failed, lastCategory, dead, ...endpoint } = rest;
    return {
      ...toEndpoint(endpoint, this.box),
      ...{ position, failingSince, succeededAt, failedAt, failedCategory, failedStatus, throttledUntil },
      ...{ open, retrying, oldestOpenAt, delivered, failed, lastCategory, dead },
    };
  }
}
