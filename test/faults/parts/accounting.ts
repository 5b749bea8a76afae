import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Pool } from 'pg';

/** One message as the simulator's ledger serves it (NDJSON). */
interface Sent {
  n: number;
  roomId: string;
  msgId: string;
  at: number;
  connections: string[];
  /** Place in the order in which messages were first written to a WebSocket. */
  wire: number;
  gift?: { streak?: string; count: number; diamonds: number };
}

/** A recorded gap; ms since 1970. */
export interface Gap {
  from: number;
  to: number;
  reason: string;
}

/** The outcome of every numbered message of some rooms. */
export interface Accounting {
  rooms: number;
  /** Messages the simulator made. */
  made: number;
  /** Messages it wrote to at least one open socket. */
  sent: number;
  /** Of those, stored. */
  stored: number;
  /** Sent, not stored, and inside a recorded gap of their creator. */
  missingInGaps: number;
  /** Sent, not stored, and lost with a replaced database: see {@link Extras.lost}. */
  lostByBackup: number;
  /** Sent, not stored, and outside every recorded gap: must be 0. */
  missing: number;
  /** Rows of the store beyond the first of a (room, message): must be 0. */
  duplicates: number;
  /** Stored messages of a creator that come after one which was sent later, with one holder: must be 0. */
  orderFaults: number;
  /**
   * The same over a takeover: events that the former holder sent again after Redis had lost them come after events of the new
   * holder. Order holds from the gap of a takeover on.
   */
  lateOverTakeover: number;
  /** Monitor events of a holder that come after those of a holder with a higher fence. */
  oldFences: number;
  gaps: number;
  gapsByReason: Record<string, number>;
  gapMsMax: number;
  /**
   * Messages between the first and the last connection to a creator that were written to no socket, so that no worker could
   * receive them. The second number counts those outside of every gap.
   */
  unsent: number;
  unsentUnreported: number;
  /** Diamonds of all stored gifts, by the sum of what the events add and by the simulator's own counts of the same messages. */
  diamonds: { stored: number; truth: number };
  /** Creators for which these two differ. */
  diamondsWrong: number;
  /** The longest time from a message's sending until it was first seen in the store, in ms; 0 without a watcher. */
  storedLateMsMax: number;
  /** The first few of each kind of fault, for a look into the logs. */
  examples: { kind: string; creator: string; what: string; at?: string }[];
}

/** Clocks of one machine are read at different moments of a message's life. */
const GAP_SLACK_MS = 250;
/** Of each kind. */
const EXAMPLES = 3;

/** The time that gaps are judged in, ms since 1970. */
export interface Window {
  /** Gaps that end before it are not counted. */
  from: number;
  /** Gaps that end after it excuse nothing and are not counted: they tell of the silence that the end of the traffic is. */
  to: number;
}

/** Further input of an accounting, besides the simulator and the store. */
export interface Extras {
  window?: Window;
  /** What was stored, confirmed and no longer in Redis when its database was replaced by an older one. */
  lost?: { has(id: string): boolean; gapsOf(handle: string): readonly Gap[] };
  /** When a message was first seen in the store, ms since 1970. */
  storedAt?: (id: string) => number | undefined;
}

/** Compares what the simulator wrote to sockets with what the store holds, message by message. */
export async function account(simulatorUrl: string, pool: Pool, uniqueIds: string[], extras: Extras = {}): Promise<Accounting> {
  const total: Accounting = {
    rooms: uniqueIds.length,
    made: 0,
    sent: 0,
    stored: 0,
    missingInGaps: 0,
    lostByBackup: 0,
    missing: 0,
    duplicates: 0,
    orderFaults: 0,
    lateOverTakeover: 0,
    oldFences: 0,
    gaps: 0,
    gapsByReason: {},
    gapMsMax: 0,
    unsent: 0,
    unsentUnreported: 0,
    diamonds: { stored: 0, truth: 0 },
    diamondsWrong: 0,
    storedLateMsMax: 0,
    examples: [],
  };
  // The product asks by creator; hundreds of creators asked for by handle would each read everything.
  await pool.query('create index if not exists events_accounted on events (handle, seq)');
  for (const uniqueId of uniqueIds) await accountOne(simulatorUrl, pool, uniqueId, total, extras);
  return total;
}

async function accountOne(simulatorUrl: string, pool: Pool, uniqueId: string, total: Accounting, extras: Extras): Promise<void> {
  const { window = { from: 0, to: Infinity }, lost, storedAt } = extras;
  const events = await pool.query<{ id: string; diamonds: number | null }>(
    `select id, case when type = 'tiktok.live.gift' then (data->>'totalDiamonds')::float8 end as diamonds
       from events where handle = $1 and type like 'tiktok.live.%' order by seq`,
    [uniqueId],
  );
  const told = await pool.query<Gap>(
    `select extract(epoch from (data->>'from')::timestamptz)::float8 * 1000 as from, extract(epoch from (data->>'to')::timestamptz)::float8 * 1000 as to,
            data->>'reason' as reason from events where handle = $1 and type = 'monitor.gap'`,
    [uniqueId],
  );
  const gaps = told.rows.filter(({ to }) => to <= window.to);
  for (const { from, to, reason } of gaps) {
    if (to < window.from) continue;
    total.gaps += 1;
    total.gapsByReason[reason] = (total.gapsByReason[reason] ?? 0) + 1;
    total.gapMsMax = Math.max(total.gapMsMax, to - from);
  }
  total.oldFences += await oldFences(pool, uniqueId);
  const allGaps = [...gaps, ...(lost?.gapsOf(uniqueId) ?? [])];
  const isInGap = (at: number) => allGaps.some(({ from, to }) => at >= from - GAP_SLACK_MS && at <= to + GAP_SLACK_MS);
  const example = (kind: string, what: string, at?: number) => {
    if (total.examples.filter((one) => one.kind === kind).length >= EXAMPLES) return;
    total.examples.push({ kind, creator: uniqueId, what, ...(at === undefined ? {} : { at: new Date(at).toISOString() }) });
  };

  const place = new Map<string, number>();
  events.rows.forEach(({ id }, index) => {
    const [room, message, derived] = id.split('-');
    if (derived !== undefined) return;
    const key = `${room}-${message}`;
    if (place.has(key)) total.duplicates++;
    else place.set(key, index);
  });

  const takeovers = allGaps.filter(({ reason }) => reason === 'takeover' || reason === 'shutdown');
  const gifts = new GiftTruth();
  const stored: { sent: Sent; index: number }[] = [];
  /** Unsent since the last that was sent; none before the first. */
  let unsent: Sent[] | undefined;
  for await (const entry of ledger(simulatorUrl, uniqueId)) {
    total.made++;
    if (place.has(`${entry.roomId}-${entry.msgId}`)) gifts.add(entry);
    if (!entry.connections.some((id) => id.startsWith('c'))) {
      if (!place.has(`${entry.roomId}-${entry.msgId}`)) unsent?.push(entry);
      continue;
    }
    for (const { at, msgId } of unsent ?? []) {
      total.unsent++;
      if (isInGap(at)) continue;
      total.unsentUnreported++;
      example('unreported', `message ${msgId}, written to no socket and in no gap`, at);
    }
    unsent = [];
    total.sent++;
    const id = `${entry.roomId}-${entry.msgId}`;
    const index = place.get(id);
    if (index !== undefined) {
      total.stored++;
      stored.push({ sent: entry, index });
      total.storedLateMsMax = Math.max(total.storedLateMsMax, (storedAt?.(id) ?? entry.at) - entry.at);
    } else if (lost?.has(id)) {
      total.lostByBackup++;
    } else if (isInGap(entry.at)) {
      total.missingInGaps++;
    } else {
      total.missing++;
      example('missing', `message ${entry.msgId}, sent on ${entry.connections.join(' ')}, is not stored`, entry.at);
    }
  }
  // A message that one connection missed may come in the history of the next one, after later messages.
  stored.sort((a, b) => a.sent.wire - b.sent.wire);
  let latest = stored[0];
  for (const one of stored.slice(1)) {
    const { sent, index } = one;
    if (!latest || index > latest.index) latest = one;
    else if (takeovers.some(({ to }) => to + GAP_SLACK_MS >= latest!.sent.at && to - GAP_SLACK_MS <= sent.at)) total.lateOverTakeover++;
    else {
      total.orderFaults++;
      example('order', `message ${sent.n}, sent on ${sent.connections.join(' ')}, is stored before message ${latest.sent.n}`, sent.at);
    }
  }
  const diamonds = events.rows.reduce((sum, row) => sum + (row.diamonds ?? 0), 0);
  total.diamonds.stored += diamonds;
  total.diamonds.truth += gifts.diamonds;
  if (diamonds !== gifts.diamonds) {
    total.diamondsWrong++;
    example('diamonds', `${diamonds} diamonds instead of ${gifts.diamonds}`);
  }
}

async function oldFences(pool: Pool, uniqueId: string): Promise<number> {
  const { rows } = await pool.query<{ fence: string }>(
    `select split_part(id, '-', 2) as fence from events where handle = $1 and type like 'monitor.%' and type <> 'monitor.unwatched' order by seq`,
    [uniqueId],
  );
  let highest = 0;
  let count = 0;
  for (const { fence } of rows) {
    if (Number(fence) < highest) count++;
    else highest = Number(fence);
  }
  return count;
}

/** Diamonds of some gift messages: the highest count of each run, whatever order or holder it came from. */
class GiftTruth {
  diamonds = 0;
  private readonly counts = new Map<string, number>();

  add({ roomId, gift }: Sent): void {
    if (!gift) return;
    if (gift.streak === undefined) {
      this.diamonds += gift.count * gift.diamonds;
      return;
    }
    const run = `${roomId} ${gift.streak}`;
    const before = this.counts.get(run) ?? 0;
    this.diamonds += Math.max(0, gift.count - before) * gift.diamonds;
    this.counts.set(run, Math.max(before, gift.count));
  }
}

async function* ledger(simulatorUrl: string, uniqueId: string): AsyncGenerator<Sent> {
  const answer = await fetch(`${simulatorUrl}/sim/rooms/${encodeURIComponent(uniqueId)}/ledger`);
  if (!answer.ok || !answer.body) throw new Error(`the ledger of a room answered ${answer.status}`);
  for await (const line of createInterface({ input: Readable.fromWeb(answer.body) })) {
    if (line !== '') yield JSON.parse(line) as Sent;
  }
}

/** Waits until the store has had nothing new for `quietMs`, at most `timeoutMs`. */
export async function settled(pool: Pool, quietMs: number, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last = '';
  let since = Date.now();
  while (Date.now() < deadline) {
    const { rows } = await pool.query<{ seq: string }>('select seq from log_head');
    if (rows[0]?.seq !== last) {
      last = rows[0]?.seq ?? '';
      since = Date.now();
    } else if (Date.now() - since >= quietMs) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
