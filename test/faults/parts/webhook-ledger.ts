import { setTimeout as delay } from 'node:timers/promises';
import { decodeCursor } from '@tributary/log';
import { type HookAnswer, hookEvents, type ReceivedHook, type Stack } from '@tributary/testing';
import type { Pool } from 'pg';

/** A flaky endpoint delays every tenth request for this long, and refuses it. */
const FLAKY_EVERY = 10;
const FLAKY_MS = 1_500;
const EXAMPLES = 3;
const DRAIN_MS_MAX = 180_000;

/** How an endpoint answers, until it is healed. */
export type Temper = 'good' | 'failing' | 'hanging' | 'throttling' | 'flaky';

/** An endpoint of the suite. */
export interface Subject {
  index: number;
  id: string;
  temper: Temper;
  ordered: boolean;
  batched: boolean;
  creatorIds: string[];
  /** Number of the log after which it gets everything. */
  after: number;
}

/** The outcome of the events of some endpoints. */
export interface Tally {
  endpoints: number;
  matching: number;
  delivered: number;
  /** Matching, stored, and never acknowledged: must be 0. */
  missing: number;
  /** Acknowledged and not matching: must be 0. */
  foreign: number;
  /** Further acknowledgements of an event that was acknowledged. */
  duplicates: number;
  /** Of those, under another `webhook-id`: must be 0. */
  duplicatesOtherId: number;
  /** Events of ordered endpoints that were first acknowledged after a later one: must be 0. */
  orderFaults: number;
  /** The first few that came to an endpoint and do not match. */
  examples: string[];
}

interface Arrival {
  delivery: string;
  creatorId: string;
  /** Order of the first acknowledgement. */
  place: number;
}

interface HookEvent {
  id: string;
  subject: string;
  receivedat: string;
}

/** Records which events each endpoint acknowledged, and how late. */
export class Ledger {
  private readonly arrivals = new Map<number, Map<string, Arrival>>();
  private readonly duplicates = new Map<number, { all: number; otherId: number }>();
  private readonly replays = new Map<string, string[]>();
  private readonly answered = new Map<number, number>();
  private lateMs: number[] = [];
  private place = 0;
  healed = false;

  constructor(private readonly temperOf: (index: number) => { temper: Temper; batched: boolean }) {}

  /** The answer to a request; what it acknowledges is entered. */
  answer(hook: ReceivedHook): HookAnswer {
    const index = Number(hook.path.slice(1));
    const { temper, batched } = this.temperOf(index);
    const nth = (this.answered.get(index) ?? 0) + 1;
    this.answered.set(index, nth);
    if (!this.healed && temper === 'failing') return { status: 500, body: 'out of order' };
    if (!this.healed && temper === 'hanging') return { fault: 'hang' };
    if (!this.healed && temper === 'throttling' && nth % 2 === 1) return { status: 429, headers: { 'retry-after': '2' } };
    if (!this.healed && temper === 'flaky' && nth % FLAKY_EVERY === 0) return { status: 500, delayMs: FLAKY_MS };
    this.enter(index, hook, temper === 'good' && !batched);
    return { status: 204 };
  }

  /** Lateness of good, unbatched endpoints since the last call, from the arrival at the worker to the receipt. */
  takeLateness(): { deliveries: number; p50Ms: number; p99Ms: number } {
    const late = this.lateMs.sort((a, b) => a - b);
    this.lateMs = [];
    const at = (share: number) => late[Math.min(late.length - 1, Math.floor(late.length * share))] ?? 0;
    return { deliveries: late.length, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  /** Events that came with one replay, in order of arrival. */
  replayed(id: string): string[] {
    return this.replays.get(id) ?? [];
  }

  /** How many different events an endpoint has acknowledged. */
  count(index: number): number {
    return this.arrivals.get(index)?.size ?? 0;
  }

  /**
   * Compares the acknowledged events of endpoints with the matching events of the log.
   * @param wasStored tells of an event that a former state of the log held: its endpoints may have got it
   */
  async tally(pool: Pool, subjects: readonly Subject[], wasStored: (id: string) => boolean = () => false): Promise<Tally> {
    const total: Tally = {
      endpoints: 0,
      matching: 0,
      delivered: 0,
      missing: 0,
      foreign: 0,
      duplicates: 0,
      duplicatesOtherId: 0,
      orderFaults: 0,
      examples: [],
    };
    for (const subject of subjects) {
      const wanted = await matchingEvents(pool, subject);
      const arrivals = this.arrivals.get(subject.index) ?? new Map<string, Arrival>();
      const duplicates = this.duplicates.get(subject.index) ?? { all: 0, otherId: 0 };
      total.endpoints += 1;
      total.matching += wanted.length;
      total.duplicates += duplicates.all;
      total.duplicatesOtherId += duplicates.otherId;
      const known = new Set(wanted);
      for (const [id, { creatorId }] of arrivals) {
        if (known.has(id) || (wasStored(id) && subject.creatorIds.includes(creatorId))) continue;
        total.foreign += 1;
        if (total.examples.length < EXAMPLES)
          total.examples.push(
            `endpoint ${subject.index} of ${subject.creatorIds.join(' ')} got ${id} of ${creatorId}${wasStored(id) ? '' : ', never stored'}`,
          );
      }
      let latest = -1;
      for (const id of wanted) {
        const arrival = arrivals.get(id);
        if (!arrival) {
          total.missing += 1;
          if (total.examples.length < EXAMPLES)
            total.examples.push(`endpoint ${subject.index} of ${subject.creatorIds.join(' ')} has not got ${id}`);
          continue;
        }
        total.delivered += 1;
        if (subject.ordered && arrival.place < latest) total.orderFaults += 1;
        latest = Math.max(latest, arrival.place);
      }
    }
    return total;
  }

  private enter(index: number, hook: ReceivedHook, timed: boolean): void {
    const delivery = String(hook.headers['webhook-id']);
    const replay = hook.headers['webhook-replay'];
    const events = hookEvents<HookEvent>(hook);
    if (typeof replay === 'string') {
      this.replays.set(replay, [...(this.replays.get(replay) ?? []), ...events.map(({ id }) => id)]);
      return;
    }
    const arrivals = this.arrivals.get(index) ?? new Map<string, Arrival>();
    this.arrivals.set(index, arrivals);
    for (const { id, subject, receivedat } of events) {
      const before = arrivals.get(id);
      if (before) {
        const duplicates = this.duplicates.get(index) ?? { all: 0, otherId: 0 };
        duplicates.all += 1;
        if (before.delivery !== delivery) duplicates.otherId += 1;
        this.duplicates.set(index, duplicates);
      } else {
        arrivals.set(id, { delivery, creatorId: subject, place: this.place++ });
        if (timed) this.lateMs.push(hook.at - Date.parse(receivedat));
      }
    }
  }
}

/** Makes all endpoints work, retries waiting deliveries at once, and waits until no event is missing, at most three minutes. */
export async function drainEndpoints(options: {
  stack: Stack;
  ledger: Ledger;
  among: readonly Subject[];
  tally: () => Promise<Tally>;
  /** It gives up when nothing came for this long, in ms. */
  patienceMs?: number;
}): Promise<Tally> {
  const { stack, ledger, among, patienceMs = DRAIN_MS_MAX } = options;
  const resume = async () => {
    for (const { id } of among) await stack.call('POST', `/v1/webhooks/${id}/resume`, {});
  };
  ledger.healed = true;
  await resume();
  let tally = await options.tally();
  const deadline = Date.now() + DRAIN_MS_MAX;
  let movedAt = Date.now();
  while (tally.missing > 0 && Date.now() < Math.min(deadline, movedAt + patienceMs)) {
    const before = tally.missing;
    await delay(1_000);
    tally = await options.tally();
    // A delivery that failed again waits for minutes: it is retried at once.
    if (tally.missing === before) await resume();
    else movedAt = Date.now();
  }
  return tally;
}

/** Ids of the stored events that an endpoint should get, in log order. */
export async function matchingEvents(pool: Pool, { creatorIds, after }: Pick<Subject, 'creatorIds' | 'after'>): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select id from events where creator_id = any($1) and type like 'tiktok.live.%' and seq > $2 order by seq`,
    [creatorIds, after],
  );
  return rows.map(({ id }) => id);
}

/** The number of a cursor. */
export function seqOf(cursor: string): number {
  const position = decodeCursor(cursor);
  if (!position) throw new Error(`not a cursor: ${cursor}`);
  return position.seq;
}
