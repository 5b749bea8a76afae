import type { Pool } from 'pg';
import type { AttemptRecord } from './attempt.js';
import { type Endpoint, type EndpointState, type DisabledReason } from './endpoint.js';
import { type EndpointRow, ENDPOINT_COLUMNS, toEndpoint } from './endpoint-row.js';
import type { OpenDelivery } from './lanes.js';
import type { Move } from './reader.js';
import type { SecretBox } from './secret-box.js';

/** A delivery's way after an attempt, as it is written down. */
export interface Result {
  endpointId: string;
  id: string;
  /** Attempts made, this one included. */
  attempt: number;
  state: 'open' | 'delivered' | 'dead' | 'erased';
  /** ms since 1970. */
  nextAt: number;
  /** Missing where nothing was sent. */
  record?: AttemptRecord;
}

/** What a runner knows of its endpoint's health, ms since 1970. */
export interface Health {
  failingSince?: number;
  succeededAt?: number;
  failedAt?: number;
  throttledUntil?: number;
}

/** An open delivery and where it belongs. */
export interface OpenRow extends OpenDelivery {
  replayId: string | null;
  again: boolean;
}

/** Everything a runner starts from. */
export interface EndpointLoad {
  endpoint: Endpoint;
  position: number;
  health: Health;
  replay?: { id: string; position: number; to: number; ratePerSecond: number };
  /** In log order. */
  open: OpenRow[];
}

/** An endpoint that the database says this runner holds. */
export interface HeldRow {
  id: string;
  version: number;
  state: EndpointState;
}

const ATTEMPTS_KEPT = 20;

const CUT = `
with wanted as (
  select * from jsonb_to_recordset($1::jsonb) as w (reader text, endpoint text, version bigint, "from" bigint, "to" bigint)),
moved as (
  update webhook_readers r set position = w."to"
  from wanted w join webhook_readers own on own.id = w.endpoint join webhook_endpoints e on e.id = w.endpoint
  where r.id = w.reader and r.position = w."from" and own.claimed_by = $2
    and e.version = w.version and e.state = 'enabled' and e.deleted_at is null
  returning r.id as reader),
cut as (
  insert into webhook_deliveries (endpoint_id, id, replay_id, seqs, seq)
  select d.endpoint, d.id, d.replay, d.seqs, d.seqs[1]
  from jsonb_to_recordset($3::jsonb) as d (reader text, endpoint text, id text, replay text, seqs bigint[])
  join moved using (reader))
select reader from moved`;

/**
 * Nothing here tests `state` to find rows: the planner would take the index of open ones, and look through all of an
 * endpoint's for each result. A delivery that was cancelled meanwhile keeps its state, and gets the attempt it had.
 */
const RESULTS = `
update webhook_deliveries d
set state = case when d.state = 'open' then r.state else d.state end, attempt = r.attempt, next_attempt_at = to_timestamp(r.next / 1000),
  ended_at = case when d.state = 'open' and r.state <> 'open' then now() else d.ended_at end,
  attempts = case when r.record is null then d.attempts
    else (d.attempts || r.record)[greatest(1, cardinality(d.attempts) + 2 - ${ATTEMPTS_KEPT}):] end
from jsonb_to_recordset($1::jsonb) as r (endpoint text, id text, state text, attempt smallint, next float8, record jsonb)
where d.endpoint_id = r.endpoint and d.id = r.id and d.attempt = r.attempt - 1`;

const FLUSH = `
update webhook_readers r set
  failing_since = to_timestamp(w.failing / 1000), succeeded_at = to_timestamp(w.succeeded / 1000),
  failed_at = to_timestamp(w.failed / 1000), throttled_until = to_timestamp(w.throttled / 1000)
from jsonb_to_recordset($1::jsonb) as w (id text, failing float8, succeeded float8, failed float8, throttled float8)
where r.id = w.id and r.claimed_by = $2`;

const CLAIM = `
update webhook_readers r set claimed_by = $2
from webhook_endpoints e
where r.id = $1 and e.id = $1 and e.state = 'enabled' and e.deleted_at is null
  and (r.claimed_by is null or r.claimed_by = $2 or ($3 and not exists (
    select from webhook_runners w where w.id = r.claimed_by and w.alive_until > now())))
returning r.id`;

/** Endpoints that should be run and are not: new, resumed, given up, or held by a runner that died. */
const UNCLAIMED = `
select e.id from webhook_endpoints e join webhook_readers r on r.id = e.id
where e.state = 'enabled' and e.deleted_at is null
  and not exists (select from webhook_runners w where w.id = r.claimed_by and w.alive_until > now())
order by e.id limit $1`;

/** What runners read and write. Every statement is one round trip for all endpoints of the process. */
export class RunnerStore {
  constructor(
    private readonly pool: Pool,
    private readonly box: SecretBox,
    private readonly runner: string,
  ) {}

  /** Makes positions move, by compare-and-set, and deliveries of those that did. Returns the ids of the readers that moved. */
  async cut(moves: readonly { move: Move; endpointId: string; version: number }[]): Promise<Set<string>> {
    const wanted = moves.map(({ move, endpointId, version }) => ({
      reader: move.reader.id,
      endpoint: endpointId,
      version,
      from: move.from,
      to: move.to,
    }));
    const cuts = moves.flatMap(({ move, endpointId }) =>
      move.cuts.map(({ id, entries }) => ({
        reader: move.reader.id,
        endpoint: endpointId,
        id,
        replay: move.reader.replayId ?? null,
        seqs: entries.map(({ seq }) => seq),
      })),
    );
    const { rows } = await this.pool.query<{ reader: string }>(CUT, [JSON.stringify(wanted), this.runner, JSON.stringify(cuts)]);
    return new Set(rows.map(({ reader }) => reader));
  }

  /** Writes what attempts came to. A row that another attempt has changed meanwhile is left as it is. */
  async results(results: readonly Result[]): Promise<void> {
    const rows = results.map(({ endpointId, id, attempt, state, nextAt, record }) => ({ endpoint: endpointId, id, attempt, state, next: nextAt, record }));
    await this.pool.query(RESULTS, [JSON.stringify(rows)]);
  }

  /** Writes health. */
  async flushHealth(health: ReadonlyMap<string, Health>): Promise<void> {
    const rows = [...health].map(([id, one]) => ({
      id,
      failing: one.failingSince,
      succeeded: one.succeededAt,
      failed: one.failedAt,
      throttled: one.throttledUntil,
    }));
    if (rows.length > 0) await this.pool.query(FLUSH, [JSON.stringify(rows), this.runner]);
  }

  /** Says that this runner lives for another `ttlMs`. */
  async renew(ttlMs: number): Promise<void> {
    await this.pool.query(
      `insert into webhook_runners (id, alive_until) values ($1, now() + make_interval(secs => $2 / 1000.0))
       on conflict (id) do update set alive_until = excluded.alive_until`,
      [this.runner, ttlMs],
    );
  }

  /** Endpoints held by this runner, and the number of runners alive with what all of them together should hold. */
  async held(): Promise<{ rows: HeldRow[]; runners: number; enabled: number; head: { seq: number; generation: number; oldestSeq: number } }> {
    const [held, counts] = await Promise.all([
      this.pool.query<HeldRow>(
        `select e.id, e.version::float8 as version, e.state from webhook_endpoints e join webhook_readers r on r.id = e.id
         where r.claimed_by = $1 and e.deleted_at is null`,
        [this.runner],
      ),
      this.pool.query<{ runners: number; enabled: number; seq: number; generation: number; oldestSeq: number }>(
        `select (select count(*) from webhook_runners where alive_until > now())::int as runners,
           (select count(*) from webhook_endpoints where state = 'enabled' and deleted_at is null)::int as enabled,
           seq::float8 as seq, generation::float8 as generation, oldest_seq::float8 as "oldestSeq" from log_head`,
      ),
    ]);
    const { runners, enabled, ...head } = counts.rows[0]!;
    return { rows: held.rows, runners, enabled, head };
  }

  /**
   * Claims an endpoint that nobody holds; that of a dead runner only with `takeOver`.
   * @returns whether this runner holds it now
   */
  async claim(id: string, takeOver: boolean): Promise<boolean> {
    const { rowCount } = await this.pool.query(CLAIM, [id, this.runner, takeOver]);
    return rowCount === 1;
  }

  async release(ids: readonly string[]): Promise<void> {
    await this.pool.query('update webhook_readers set claimed_by = null where id = any($1) and claimed_by = $2', [ids, this.runner]);
  }

  /** Ends this runner: whatever it still holds is free at once. */
  async leave(): Promise<void> {
    await this.pool.query('update webhook_readers set claimed_by = null where claimed_by = $1', [this.runner]);
    await this.pool.query('delete from webhook_runners where id = $1', [this.runner]);
  }

  async unclaimed(limit: number): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>(UNCLAIMED, [limit]);
    return rows.map(({ id }) => id);
  }

  /** Everything about one endpoint; undefined when it is gone. */
  async load(id: string): Promise<EndpointLoad | undefined> {
    const [endpoints, readers, open] = await Promise.all([
      this.pool.query<EndpointRow>(`select ${ENDPOINT_COLUMNS} from webhook_endpoints e where e.id = $1 and e.deleted_at is null`, [id]),
      this.pool.query<ReaderRow>(
        `select r.id, r.position::float8 as position, r.failing_since as failing, r.succeeded_at as succeeded, r.failed_at as failed,
           r.throttled_until as throttled, p.to_seq::float8 as "to", p.rate_per_second as rate
         from webhook_readers r left join webhook_replays p on p.id = r.id and p.state = 'running'
         where r.endpoint_id = $1 and (r.id = $1 or p.id is not null)`,
        [id],
      ),
      this.pool.query<Omit<OpenRow, 'nextAt' | 'since'> & { next: Date; created: Date }>(
        `select id, attempt, next_attempt_at as next, created_at as created, replay_id as "replayId", again from webhook_deliveries
         where endpoint_id = $1 and state = 'open' and not test order by seq, id`,
        [id],
      ),
    ]);
    const [row] = endpoints.rows;
    const own = readers.rows.find((reader) => reader.id === id);
    if (!row || !own) return undefined;
    const replay = readers.rows.find((reader) => reader.id !== id);
    const ms = (date: Date | null) => date?.getTime();
    return {
      endpoint: toEndpoint(row, this.box),
      position: own.position,
      health: { failingSince: ms(own.failing), succeededAt: ms(own.succeeded), failedAt: ms(own.failed), throttledUntil: ms(own.throttled) },
      ...(replay ? { replay: { id: replay.id, position: replay.position, to: replay.to!, ratePerSecond: replay.rate! } } : {}),
      open: open.rows.map(({ next, created, ...delivery }) => ({ ...delivery, nextAt: next.getTime(), since: created.getTime() })),
    };
  }

  /** Disables an endpoint and leaves a notice that is said in the log. False when it was not enabled any more. */
  async disable(id: string, reason: DisabledReason, data: object): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `with disabled as (
         update webhook_endpoints set state = 'disabled', reason = $2, state_since = now(), version = version + 1, updated_at = now()
         where id = $1 and state = 'enabled' returning id)
       insert into webhook_notices (endpoint_id, data) select id, $3 from disabled`,
      [id, reason, JSON.stringify(data)],
    );
    return rowCount === 1;
  }

  /** What a paused or slow endpoint lost to the retention of events: its position goes behind it, and a notice says so. */
  async skipExpired(id: string, from: number, to: number, data: object): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `with moved as (update webhook_readers set position = $3 where id = $1 and position = $2 and claimed_by = $4 returning endpoint_id)
       insert into webhook_notices (endpoint_id, data) select endpoint_id, $5 from moved`,
      [id, from, to, this.runner, JSON.stringify(data)],
    );
    return rowCount === 1;
  }

  /** A replay whose deliveries are all cut and finished is over. */
  async endReplay(id: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `update webhook_replays p set state = 'done', ended_at = now()
       where id = $1 and state = 'running' and not exists (
         select from webhook_deliveries d where d.endpoint_id = p.endpoint_id and d.replay_id = p.id and d.state = 'open')`,
      [id],
    );
    return rowCount === 1;
  }
}

interface ReaderRow {
  id: string;
  position: number;
  failing: Date | null;
  succeeded: Date | null;
  failed: Date | null;
  throttled: Date | null;
  to: number | null;
  rate: number | null;
}
