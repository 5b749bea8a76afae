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
}

/** What became of every numbered message of some rooms. */
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
  /** Sent, not stored, and outside every recorded gap: must be 0. */
  missing: number;
  /** Rows of the store beyond the first of a (room, message): must be 0. */
  duplicates: number;
  /** Stored messages of a creator that come after one which was sent later, with one holder: must be 0. */
  orderFaults: number;
  /**
   * The same over a takeover: what its former holder sent again after Redis had lost it stands behind what the new holder
   * said meanwhile. Order holds from a takeover's gap on.
   */
  lateOverTakeover: number;
  gaps: number;
  gapsByReason: Record<string, number>;
  /** The first few messages that are missing outside of gaps, for a look into the logs. */
  examples: { creator: string; msgId: string; at: string }[];
}

/** Clocks of one machine are read at different moments of a message's life. */
const GAP_SLACK_MS = 250;
const EXAMPLES = 5;

/** Compares what the simulator wrote to sockets with what the store holds, message by message. */
export async function account(simulatorUrl: string, pool: Pool, uniqueIds: string[]): Promise<Accounting> {
  const total: Accounting = {
    rooms: uniqueIds.length,
    made: 0,
    sent: 0,
    stored: 0,
    missingInGaps: 0,
    missing: 0,
    duplicates: 0,
    orderFaults: 0,
    lateOverTakeover: 0,
    gaps: 0,
    gapsByReason: {},
    examples: [],
  };
  for (const uniqueId of uniqueIds) await accountOne(simulatorUrl, pool, uniqueId, total);
  return total;
}

async function accountOne(simulatorUrl: string, pool: Pool, uniqueId: string, total: Accounting): Promise<void> {
  const events = await pool.query<{ id: string; room_id: string }>(
    `select id, room_id from events where handle = $1 and type like 'tiktok.live.%' order by seq`,
    [uniqueId],
  );
  const gaps = await pool.query<{ from: number; to: number; reason: string }>(
    `select extract(epoch from (data->>'from')::timestamptz)::float8 * 1000 as from, extract(epoch from (data->>'to')::timestamptz)::float8 * 1000 as to,
            data->>'reason' as reason from events where handle = $1 and type = 'monitor.gap'`,
    [uniqueId],
  );
  total.gaps += gaps.rows.length;
  for (const { reason } of gaps.rows) total.gapsByReason[reason] = (total.gapsByReason[reason] ?? 0) + 1;

  const place = new Map<string, number>();
  events.rows.forEach(({ id }, index) => {
    const [room, message, derived] = id.split('-');
    if (derived !== undefined) return;
    const key = `${room}-${message}`;
    if (place.has(key)) total.duplicates++;
    else place.set(key, index);
  });

  const takeovers = gaps.rows.filter(({ reason }) => reason === 'takeover' || reason === 'shutdown');
  let latest = { index: -1, at: 0 };
  for await (const entry of ledger(simulatorUrl, uniqueId)) {
    total.made++;
    if (!entry.connections.some((id) => id.startsWith('c'))) continue;
    total.sent++;
    const index = place.get(`${entry.roomId}-${entry.msgId}`);
    if (index !== undefined) {
      total.stored++;
      if (index > latest.index) latest = { index, at: entry.at };
      else if (takeovers.some(({ to }) => to + GAP_SLACK_MS >= latest.at && to - GAP_SLACK_MS <= entry.at)) total.lateOverTakeover++;
      else total.orderFaults++;
    } else if (gaps.rows.some(({ from, to }) => entry.at >= from - GAP_SLACK_MS && entry.at <= to + GAP_SLACK_MS)) {
      total.missingInGaps++;
    } else {
      total.missing++;
      if (total.examples.length < EXAMPLES)
        total.examples.push({ creator: uniqueId, msgId: entry.msgId, at: new Date(entry.at).toISOString() });
    }
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
