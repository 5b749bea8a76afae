import type { Pool } from 'pg';
import type { SecretBox } from '@tributary/runtime';
import type { AttemptText } from './attempt.js';
import { type Endpoint, type EndpointState, type DisabledReason } from './endpoint.js';
import { type EndpointRow, ENDPOINT_COLUMNS, toEndpoint } from './endpoint-row.js';
import type { Cut, OpenDelivery } from './lanes.js';
import type { Move } from './reader.js';

/** A delivery's way after an attempt, as it is written down. */
export interface Result {
  endpointId: string;
  id: string;
  /** Attempts made, this one included. */
  attempt: number;
  state: 'open' | 'delivered' | 'dead' | 'erased' | 'cancelled';
  /** ms since 1970. */
  nextAt: number;
  /** The attempt as it is kept; missing where nothing was sent. */
  record?: AttemptText;
  /** What its row is made of, when this was the first attempt. */
  first?: { seqs: readonly number[]; replayId: string | null; createdAt: number };
  /** What memory has of it: its part of the cut is kept until this is written. */
  delivery: OpenDelivery;
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
  /** Of its first event. */
  seq: number;
  replayId: string | null;
  again: boolean;
}

/** Everything a runner starts from. */
export interface EndpointLoad {
  endpoint: Endpoint;
  position: number;
  /** What `position` is a number of. */
  generation: number;
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

/** A position moves within one generation, and never beyond the log: what was planned in a log that is gone does not happen. */
const CUT = `
with wanted as (
  select * from jsonb_to_recordset($1::jsonb) as w (reader text, endpoint text, version bigint, "from" bigint, "to" bigint, generation bigint)),
moved as (
  update webhook_readers r set position = w."to"
  from wanted w join webhook_readers own on own.id = w.endpoint join webhook_endpoints e on e.id = w.endpoint
    join log_head h on h.generation = w.generation and h.seq >= w."to"
  where r.id = w.reader and r.position = w."from" and own.claimed_by = $2
    and e.version = w.version and e.state = 'enabled' and e.deleted_at is null
  returning r.id as reader),
cut as (
  insert into webhook_cuts (endpoint_id, id, replay_id, deliveries)
  select c.endpoint, c.id, c.replay, c.deliveries
  from jsonb_to_recordset($3::jsonb) as c (reader text, endpoint text, id text, replay text, deliveries jsonb)
  join moved using (reader))
select reader from moved`;

/**
 * A first attempt makes the row of its delivery, a further one changes it if nobody else has, or if it succeeded: an open
 * delivery that arrived is delivered, whoever else was trying. What was cancelled meanwhile
 * keeps that state; a failed first attempt of a replay that is over is not left open. Numbers that name other events by now are not
 * written: the position is before them again, and they are cut anew.
 */
const RESULTS = `
insert into webhook_deliveries as d (endpoint_id, id, replay_id, seqs, seq, state, attempt, next_attempt_at, created_at, ended_at, attempts)
select r.endpoint, r.id, nullif(r.replay, ''), coalesce(r.seqs::bigint[], '{}'), coalesce((r.seqs::bigint[])[1], 0), f.state, r.attempt,
  to_timestamp(r.next / 1000), coalesce(to_timestamp(r.created / 1000), now()), case when f.state <> 'open' then now() end,
  case when coalesce(r.record, '') = '' then '{}' else array[r.record || (select string_to_array($11, E'\x1e'))[r.same]] end
from unnest(string_to_array($1, ','), string_to_array($2, ','), string_to_array($3, ','), string_to_array($4, ';', ''), string_to_array($5, ','),
  $6::smallint[], $7::float8[], $8::float8[], string_to_array($9, E'\x1e'), $10::smallint[]) as r (endpoint, id, replay, seqs, state, attempt, next, created, record, same)
cross join lateral (select case when r.state = 'open' and r.replay <> '' and r.seqs is not null and not exists (
  select from webhook_replays p where p.id = r.replay and p.state = 'running') then 'cancelled' else r.state end as state) f
where (r.seqs::bigint[])[cardinality(r.seqs::bigint[])] <= (select log_reach($12)) or r.seqs is null and exists (select from webhook_deliveries x where x.endpoint_id = r.endpoint and x.id = r.id)
on conflict (endpoint_id, id) do update
set state = case when d.state = 'open' then excluded.state else d.state end, attempt = greatest(d.attempt, excluded.attempt), next_attempt_at = excluded.next_attempt_at,
  ended_at = case when d.state = 'open' then excluded.ended_at else d.ended_at end,
  attempts = (d.attempts || excluded.attempts)[greatest(1, cardinality(d.attempts) + 2 - ${ATTEMPTS_KEPT}):]
where d.attempt = excluded.attempt - 1 or (d.state = 'open' and excluded.state = 'delivered')`;

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

/** Prepared on each connection: to plan these costs as much as to run them on a few rows. */
const prepared = { cut: { name: 'tributary-webhook-cut-2', text: CUT }, results: { name: 'tributary-webhook-results-2', text: RESULTS } };

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
      generation: move.reader.generation,
    }));
    const cuts = moves
      .filter(({ move }) => move.deliveries.length > 0)
      .map(({ move, endpointId }) => ({
        reader: move.reader.id,
        endpoint: endpointId,
        id: move.deliveries[0]!.id,
        replay: move.reader.replayId ?? null,
        deliveries: move.deliveries.map(({ id, entries }) => [id, entries.map(({ seq }) => seq)]),
      }));
    const { rows } = await this.pool.query<{ reader: string }>({
      ...prepared.cut,
      values: [JSON.stringify(wanted), this.runner, JSON.stringify(cuts)],
    });
    return new Set(rows.map(({ reader }) => reader));
  }

  /**
   * Writes what attempts came to; all deliveries are of one generation. A row that another attempt has changed meanwhile is left as
   * it is. @returns how many were written
   */
  async results(unsorted: readonly Result[]): Promise<number> {
    // Whoever changes several rows of an endpoint takes them in this order, or two statements could wait for each other.
    const results = [...unsorted].sort((a, b) =>
      a.endpointId === b.endpointId ? compare(a.id, b.id) : compare(a.endpointId, b.endpointId),
    );
    const same = new Map<string, number>();
    for (const { record } of results) if (record && !same.has(record.same)) same.set(record.same, same.size + 1);
    const column = (pick: (result: Result) => string | number, separator = ',') => results.map(pick).join(separator);
    // Texts with separators that no value holds: half the work of arrays or JSON on both sides. JSON escapes control characters.
    const values = [
      column(({ endpointId }) => endpointId),
      column(({ id }) => id),
      column(({ first }) => first?.replayId ?? ''),
      column(({ first }) => (first ? `{${first.seqs.join(',')}}` : ''), ';'),
      column(({ state }) => state),
      `{${column(({ attempt }) => attempt)}}`,
      `{${column(({ nextAt }) => nextAt)}}`,
      `{${column(({ first }) => first?.createdAt ?? 'null')}}`,
      column(({ record }) => record?.own ?? '', '\x1e'),
      `{${column(({ record }) => (record ? same.get(record.same)! : 0))}}`,
      [...same.keys()].join('\x1e'),
      results[0]?.delivery.generation ?? 0,
    ];
    const { rowCount } = await this.pool.query({ ...prepared.results, values });
    return rowCount ?? 0;
  }

  /**
   * Removes cuts whose deliveries all have rows of their own. The database judges that: after a fail-over it may have a cut without
   * the rows that were written since, and then the cut alone knows of its deliveries.
   */
  async forget(cuts: readonly { endpointId: string; id: string }[]): Promise<void> {
    await this.pool.query(
      `delete from webhook_cuts c using unnest($1::text[], $2::text[]) as w (endpoint_id, id)
       where c.endpoint_id = w.endpoint_id and c.id = w.id and not exists (
         select from jsonb_array_elements(c.deliveries) as d (value)
         where not exists (select from webhook_deliveries x where x.endpoint_id = c.endpoint_id and x.id = d.value ->> 0))`,
      [cuts.map(({ endpointId }) => endpointId), cuts.map(({ id }) => id)],
    );
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

  /** Endpoints held by this runner, how many runners are alive, how many endpoints there are in each state, and the log's head. */
  async held(): Promise<{
    rows: HeldRow[];
    runners: number;
    states: Record<EndpointState, number>;
    head: { seq: number; generation: number };
  }> {
    const [held, counts] = await Promise.all([
      this.pool.query<HeldRow>(
        `select e.id, e.version::float8 as version, e.state from webhook_endpoints e join webhook_readers r on r.id = e.id
         where r.claimed_by = $1 and e.deleted_at is null`,
        [this.runner],
      ),
      this.pool.query<Record<EndpointState, number> & { runners: number; seq: number; generation: number }>(
        `select h.seq::float8 as seq, h.generation::float8 as generation, c.*,
           (select count(*) from webhook_runners where alive_until > now())::int as runners
         from log_head h cross join (
           select count(*) filter (where state = 'enabled')::int as enabled, count(*) filter (where state = 'paused')::int as paused,
             count(*) filter (where state = 'disabled')::int as disabled
           from webhook_endpoints where deleted_at is null) c`,
      ),
    ]);
    const { runners, seq, generation, ...states } = counts.rows[0]!;
    return { rows: held.rows, runners, states, head: { seq, generation } };
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
    const [endpoints, readers, open, unattempted] = await Promise.all([
      this.pool.query<EndpointRow>(`select ${ENDPOINT_COLUMNS} from webhook_endpoints e where e.id = $1 and e.deleted_at is null`, [id]),
      this.pool.query<ReaderRow>(
        `select r.id, r.position::float8 as position, h.generation::float8 as generation, r.failing_since as failing, r.succeeded_at as succeeded, r.failed_at as failed,
           r.throttled_until as throttled, p.to_seq::float8 as "to", p.rate_per_second as rate
         from webhook_readers r cross join log_head h left join webhook_replays p on p.id = r.id and p.state = 'running'
         where r.endpoint_id = $1 and (r.id = $1 or p.id is not null)`,
        [id],
      ),
      this.pool.query<Omit<OpenRow, 'nextAt' | 'since'> & { next: Date; created: Date }>(
        `select id, seq::float8 as seq, attempt, next_attempt_at as next, created_at as created, replay_id as "replayId", again,
           (select generation from log_head)::float8 as generation from webhook_deliveries
         where endpoint_id = $1 and state = 'open' and not test order by seq, id`,
        [id],
      ),
      this.unattempted(id),
    ]);
    const [row] = endpoints.rows;
    const own = readers.rows.find((reader) => reader.id === id);
    if (!row || !own) return undefined;
    const replay = readers.rows.find((reader) => reader.id !== id);
    const ms = (date: Date | null) => date?.getTime();
    return {
      endpoint: toEndpoint(row, this.box),
      position: own.position,
      generation: own.generation,
      health: {
        failingSince: ms(own.failing),
        succeededAt: ms(own.succeeded),
        failedAt: ms(own.failed),
        throttledUntil: ms(own.throttled),
      },
      ...(replay ? { replay: { id: replay.id, position: replay.position, to: replay.to!, ratePerSecond: replay.rate! } } : {}),
      open: [
        ...open.rows.map(({ next, created, ...delivery }) => ({ ...delivery, nextAt: next.getTime(), since: created.getTime() })),
        ...unattempted,
      ].sort((a, b) => a.seq - b.seq || compare(a.id, b.id)),
    };
  }

  /** Deliveries that are cut and have had no attempt. Cuts that have none left were forgotten by a runner that died. */
  private async unattempted(id: string): Promise<OpenRow[]> {
    const { rows } = await this.pool.query<{
      cut: string;
      replayId: string | null;
      createdAt: number;
      generation: number;
      deliveries: [string, number[]][] | null;
    }>(
      `select c.id as cut, (select generation from log_head)::float8 as generation, c.replay_id as "replayId", (extract(epoch from c.created_at) * 1000)::float8 as "createdAt",
         (select jsonb_agg(d.value) from jsonb_array_elements(c.deliveries) as d (value)
          where not exists (select from webhook_deliveries x where x.endpoint_id = c.endpoint_id and x.id = d.value ->> 0)) as deliveries
       from webhook_cuts c where c.endpoint_id = $1`,
      [id],
    );
    const through = rows.filter(({ deliveries }) => deliveries === null);
    if (through.length > 0) await this.forget(through.map(({ cut }) => ({ endpointId: id, id: cut })));
    return rows.flatMap(({ cut, replayId, createdAt, generation, deliveries }) => {
      const of: Cut = { id: cut, createdAt, left: deliveries?.length ?? 0 };
      return (deliveries ?? []).map(([delivery, seqs]) => ({
        id: delivery,
        seq: seqs[0]!,
        attempt: 0,
        nextAt: createdAt,
        since: createdAt,
        generation,
        replayId,
        again: false,
        cut: { seqs, of },
      }));
    });
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
      `with moved as (update webhook_readers set position = $3 where id = $1 and position = $2 and claimed_by = $4
         and $3 <= (select seq from log_head) returning endpoint_id)
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
         select from webhook_deliveries d where d.endpoint_id = p.endpoint_id and d.replay_id = p.id and d.state = 'open')
         and not exists (select from webhook_cuts c where c.endpoint_id = p.endpoint_id and c.replay_id = p.id)`,
      [id],
    );
    return rowCount === 1;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface ReaderRow {
  id: string;
  position: number;
  generation: number;
  failing: Date | null;
  succeeded: Date | null;
  failed: Date | null;
  throttled: Date | null;
  to: number | null;
  rate: number | null;
}
