import { type Logger, reasonOf } from '@tributary/runtime';
import type { Pool } from 'pg';
import { type Delivery, DeliveryIds } from './delivery.js';
import type { EndpointCursor, Step } from './endpoint-cursor.js';

export interface DeliveryPlannerOptions {
  pool: Pool;
  /** The process that has claimed the endpoints. */
  runner: string;
  /** A step of this cursor was not made, or it is not known whether it was: what its endpoint knows may be old. */
  lost(cursor: EndpointCursor): void;
  logger: Logger;
}

/** A step of one cursor in the next transaction. */
interface PlannedStep {
  cursor: EndpointCursor;
  step: Step;
  deliveries: Delivery[];
}

/** Deliveries of one transaction; what is beyond goes into the next. */
const DELIVERIES_MAX = 1_000;

/** A position moves within one generation, and never beyond the log: what was planned in a log that is gone does not happen. */
const PLAN = `
with wanted as (
  select * from jsonb_to_recordset($1::jsonb) as w (reader text, endpoint text, version bigint, "from" bigint, "to" bigint, generation bigint)),
moved as (
  update webhook_cursors r set position = w."to"
  from wanted w join webhook_cursors own on own.id = w.endpoint join webhook_endpoints e on e.id = w.endpoint
    join log_head h on h.generation = w.generation and h.seq >= w."to"
  where r.id = w.reader and r.position = w."from" and own.claimed_by = $2
    and e.version = w.version and e.state = 'enabled' and e.deleted_at is null
  returning r.id as reader),
planned as (
  insert into webhook_planned_batches (endpoint_id, id, replay_id, deliveries)
  select c.endpoint, c.id, c.replay, c.deliveries
  from jsonb_to_recordset($3::jsonb) as c (reader text, endpoint text, id text, replay text, deliveries jsonb)
  join moved using (reader))
select reader from moved`;

/** Prepared on each connection: to plan this costs as much as to run it on a few rows. */
const PREPARED = { name: 'tributary-webhook-plan-1', text: PLAN };

/**
 * Stage 2: turns steps of cursors into deliveries. One statement moves the positions of all cursors that want to move, each by
 * compare-and-set, and writes down the deliveries between the old position and the new one as a planned batch. Only what is committed
 * goes on into its queue. The next statement begins as soon as this one has answered, so many endpoints cost little more than one.
 */
export class DeliveryPlanner {
  private readonly ids = new DeliveryIds();
  private readonly wanting = new Set<EndpointCursor>();
  private skipping: EndpointCursor[] = [];
  private exclusive: (() => Promise<void>)[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly options: DeliveryPlannerOptions) {}

  /** Plans deliveries of this cursor in the next transaction. */
  request(cursor: EndpointCursor): void {
    this.wanting.add(cursor);
    this.start();
  }

  /** Lets the positions of these cursors pass what did not match. */
  skip(cursors: Iterable<EndpointCursor>): void {
    this.skipping = [...cursors];
    this.start();
  }

  /** Runs a statement that changes rows of many cursors while no step is under way: the two would lock them in different orders. */
  runExclusive(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.exclusive.push(() => work().then(resolve, reject));
      this.start();
    });
  }

  /** Resolves when no step that was planned so far is under way. */
  async settled(): Promise<void> {
    await this.running;
  }

  private start(): void {
    // Not in this moment: others who were woken by the same batch come along.
    this.running ??= new Promise((resolve) => setImmediate(resolve))
      .then(() => this.run())
      .finally(() => {
        this.running = undefined;
        if (this.wanting.size > 0 || this.skipping.length > 0 || this.exclusive.length > 0) this.start();
      });
  }

  private async run(): Promise<void> {
    for (const work of this.exclusive.splice(0)) await work();
    const steps = this.collect();
    if (steps.length === 0) return;
    let moved: Set<string>;
    try {
      moved = await this.commit(steps);
    } catch (error) {
      // Whether it was committed is not known.
      this.options.logger.warn({ reason: reasonOf(error) }, 'webhook positions could not be moved');
      moved = new Set();
    }
    for (const { cursor, step, deliveries } of steps) {
      if (!moved.has(cursor.id)) this.options.lost(cursor);
      else {
        cursor.committed(step);
        // Of a cursor that was closed meanwhile, the database has them for its successor.
        if (deliveries.length > 0 && !cursor.isClosed) cursor.queue.accept(deliveries);
        cursor.advance();
      }
    }
  }

  private collect(): PlannedStep[] {
    const steps: PlannedStep[] = [];
    const now = Date.now();
    let planned = 0;
    for (const cursor of this.wanting) {
      if (planned >= DELIVERIES_MAX) break;
      this.wanting.delete(cursor);
      const step = cursor.plan(now);
      if (!step) continue;
      const deliveries = this.deliveriesOf(step, cursor.generation, now);
      steps.push({ cursor, step, deliveries });
      planned += deliveries.length;
    }
    for (const cursor of this.skipping.splice(0)) {
      const step = cursor.planSkip();
      if (step) steps.push({ cursor, step, deliveries: [] });
    }
    return steps;
  }

  private deliveriesOf({ groups }: Step, generation: number, now: number): Delivery[] {
    const first = this.ids.next(now);
    const batch = { id: first, createdAt: now, unrecorded: groups.length };
    return groups.map((events, i) => ({
      id: i === 0 ? first : this.ids.next(now),
      state: 'planned',
      attempts: 0,
      nextAttemptAt: now,
      since: events[0]?.event.receivedAt ?? now,
      generation,
      planned: { seqs: events.map(({ seq }) => seq), batch },
      events,
    }));
  }

  /** Returns the ids of the cursors that moved. */
  private async commit(steps: readonly PlannedStep[]): Promise<Set<string>> {
    const moves = steps.map(({ cursor: { id, endpointId, version, generation }, step: { from, to } }) => ({
      reader: id,
      endpoint: endpointId,
      version,
      from,
      to,
      generation,
    }));
    const batches = steps.flatMap(({ cursor: { id, endpointId, replayId }, deliveries }) => {
      const [first] = deliveries;
      if (!first) return [];
      const pairs = deliveries.map(({ id, planned }) => [id, planned?.seqs]);
      return [{ reader: id, endpoint: endpointId, id: first.id, replay: replayId ?? null, deliveries: pairs }];
    });
    const values = [JSON.stringify(moves), this.options.runner, JSON.stringify(batches)];
    const { rows } = await this.options.pool.query<{ reader: string }>({ ...PREPARED, values });
    return new Set(rows.map(({ reader }) => reader));
  }
}
