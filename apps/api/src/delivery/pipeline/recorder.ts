import type { Logger } from '@tributary/runtime';
import type { Pool } from 'pg';
import type { AttemptText } from '../request/attempt.js';
import type { Delivery, EndState } from './delivery.js';
import { GroupCommit } from '../upkeep/group-commit.js';

/** What came of an attempt, as it is recorded. Its delivery may go on meanwhile: nothing of it is read again but what is `planned`. */
export interface Result {
  endpointId: string;
  delivery: Delivery;
  /** Attempts made, this one included. */
  attempt: number;
  state: 'open' | EndState;
  /** ms since 1970. */
  nextAttemptAt: number;
  /** The attempt as it is kept; missing where nothing was sent. */
  record?: AttemptText;
  /** What its row is made of, when this was the first attempt. */
  first?: { seqs: readonly number[]; replayId: string | null; createdAt: number };
}

export interface RecorderOptions {
  pool: Pool;
  /** Called with endpoints of which the database did not take every result: it may not know their deliveries. */
  refused(endpointIds: ReadonlySet<string>): void;
  logger: Logger;
}

interface BatchKey {
  endpointId: string;
  id: string;
}

/** Results of one statement, and the longest one waits for others. */
const GROUP = { groupSize: 400, waitMs: 50 };
/** Batches whose deliveries are all recorded are removed together. */
const BATCHES_REMOVED = 50;
const ATTEMPTS_KEPT = 20;

/**
 * The first attempt inserts the row. Later attempts update it only if no other process did, or if they succeeded. A delivery that was
 * cancelled meanwhile stays cancelled. A failed first attempt of a replay that is over is not left open. Numbers that name other events
 * by now are not written: the position is before them again, and they are planned anew.
 */
const RESULTS = `
insert into webhook_deliveries as d (endpoint_id, id, replay_id, seqs, seq, state, attempt, next_attempt_at, created_at, ended_at, attempts)
select r.endpoint, r.id, nullif(r.replay, ''), coalesce(r.seqs::bigint[], '{}'), coalesce((r.seqs::bigint[])[1], 0), f.state, r.attempt,
  to_timestamp(r.next / 1000), coalesce(to_timestamp(r.created / 1000), now()), case when f.state <> 'open' then now() end,
  case when coalesce(r.record, '') = '' then '{}' else array[r.record || (select string_to_array($11, E'\\x1e'))[r.same]] end
from unnest(string_to_array($1, ','), string_to_array($2, ','), string_to_array($3, ','), string_to_array($4, ';', ''), string_to_array($5, ','),
  $6::smallint[], $7::float8[], $8::float8[], string_to_array($9, E'\\x1e'), $10::smallint[]) as r (endpoint, id, replay, seqs, state, attempt, next, created, record, same)
cross join lateral (select case when r.state = 'open' and r.replay <> '' and r.seqs is not null and not exists (
  select from webhook_replays p where p.id = r.replay and p.state = 'running') then 'cancelled' else r.state end as state) f
where (r.seqs::bigint[])[cardinality(r.seqs::bigint[])] <= (select log_reach($12)) or r.seqs is null and exists (select from webhook_deliveries x where x.endpoint_id = r.endpoint and x.id = r.id)
on conflict (endpoint_id, id) do update
set state = case when d.state = 'open' then excluded.state else d.state end, attempt = greatest(d.attempt, excluded.attempt), next_attempt_at = excluded.next_attempt_at,
  ended_at = case when d.state = 'open' then excluded.ended_at else d.ended_at end,
  attempts = (d.attempts || excluded.attempts)[greatest(1, cardinality(d.attempts) + 2 - ${ATTEMPTS_KEPT}):]
where d.attempt = excluded.attempt - 1 or (d.state = 'open' and excluded.state = 'delivered')`;

/** Prepared on each connection: to plan this costs as much as to run it on a few rows. */
const PREPARED = { name: 'tributary-webhook-results-3', text: RESULTS };

/**
 * Stage 5: writes down what came of attempts, many in one statement. A planned batch is removed when all of its deliveries have rows of
 * their own. What is added is kept until the database has taken it.
 */
export class Recorder {
  private readonly group: GroupCommit<Result>;
  private readonly removable: BatchKey[] = [];

  constructor(private readonly options: RecorderOptions) {
    const { logger } = options;
    this.group = new GroupCommit({ name: 'results of webhook attempts', ...GROUP, commit: (results) => this.write(results), logger });
  }

  /** Results that are not written yet. */
  get size(): number {
    return this.group.size;
  }

  record(result: Result): void {
    this.group.add(result);
  }

  /** Resolves when everything recorded so far is written. */
  settled(): Promise<boolean> {
    return this.group.settled();
  }

  /** Writes what is left, for at most `ms`. */
  async stop(ms: number): Promise<void> {
    await this.group.stop(ms);
    await this.removeBatches();
  }

  /** Removes batches whose deliveries are all recorded. They do no harm: whoever reads them finds that their deliveries have rows. */
  async removeBatches(): Promise<void> {
    const batches = this.removable.splice(0);
    if (batches.length === 0) return;
    try {
      await removeRecordedBatches(this.options.pool, batches);
    } catch (error) {
      this.removable.unshift(...batches);
      throw error;
    }
  }

  private async write(group: readonly Result[]): Promise<void> {
    for (const part of parts(group)) {
      const written = await writeResults(this.options.pool, part);
      if (written < part.length) this.options.refused(new Set(part.map(({ endpointId }) => endpointId)));
      for (const { endpointId, delivery } of part) {
        const { planned } = delivery;
        // From here on its row says what it holds.
        delete delivery.planned;
        if (planned && --planned.batch.unrecorded === 0) this.removable.push({ endpointId, id: planned.batch.id });
      }
    }
    if (this.removable.length < BATCHES_REMOVED) return;
    // What cannot be removed now is removed by the next tick; the results are written in any case.
    await this.removeBatches().catch(() => undefined);
  }
}

/**
 * Removes batches whose deliveries all have rows of their own. The database judges that: after a fail-over it may have a batch without
 * the rows that were written since, and then the batch alone knows of its deliveries.
 */
export async function removeRecordedBatches(pool: Pool, batches: readonly BatchKey[]): Promise<void> {
  await pool.query(
    `delete from webhook_planned_batches c using unnest($1::text[], $2::text[]) as w (endpoint_id, id)
     where c.endpoint_id = w.endpoint_id and c.id = w.id and not exists (
       select from jsonb_array_elements(c.deliveries) as d (value)
       where not exists (select from webhook_deliveries x where x.endpoint_id = c.endpoint_id and x.id = d.value ->> 0))`,
    [batches.map(({ endpointId }) => endpointId), batches.map(({ id }) => id)],
  );
}

/** Parts in which no delivery comes twice, for one statement changes a row once, and all are of one generation. */
function* parts(group: readonly Result[]): Generator<readonly Result[]> {
  let part: Result[] = [];
  let seen = new Set<string>();
  for (const result of group) {
    if (seen.has(result.delivery.id) || (part[0] && part[0].delivery.generation !== result.delivery.generation)) {
      yield part;
      part = [];
      seen = new Set();
    }
    seen.add(result.delivery.id);
    part.push(result);
  }
  if (part.length > 0) yield part;
}

/**
 * Writes results of deliveries of one generation. A row that another attempt has changed meanwhile is left as it is.
 * @returns how many were written
 */
export async function writeResults(pool: Pool, unsorted: readonly Result[]): Promise<number> {
  // Whoever changes several rows of an endpoint takes them in this order, or two statements could wait for each other.
  const results = [...unsorted].sort((a, b) => compare(a.endpointId, b.endpointId) || compare(a.delivery.id, b.delivery.id));
  const same = new Map<string, number>();
  for (const { record } of results) if (record && !same.has(record.same)) same.set(record.same, same.size + 1);
  const column = (pick: (result: Result) => string | number, separator = ',') => results.map(pick).join(separator);
  // Texts with separators that no value holds: half the work of arrays or JSON on both sides. JSON escapes control characters.
  const values = [
    column(({ endpointId }) => endpointId),
    column(({ delivery }) => delivery.id),
    column(({ first }) => first?.replayId ?? ''),
    column(({ first }) => (first ? `{${first.seqs.join(',')}}` : ''), ';'),
    column(({ state }) => state),
    `{${column(({ attempt }) => attempt)}}`,
    `{${column(({ nextAttemptAt }) => nextAttemptAt)}}`,
    `{${column(({ first }) => first?.createdAt ?? 'null')}}`,
    column(({ record }) => record?.own ?? '', '\x1e'),
    `{${column(({ record }) => (record ? (same.get(record.same) ?? 0) : 0))}}`,
    [...same.keys()].join('\x1e'),
    results[0]?.delivery.generation ?? 0,
  ];
  const { rowCount } = await pool.query({ ...PREPARED, values });
  return rowCount ?? 0;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
