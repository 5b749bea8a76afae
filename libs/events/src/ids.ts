import { createHash } from 'node:crypto';

/** First possible day of a TikTok message; earlier seconds in an id are not a date. */
const EARLIEST_MS = Date.UTC(2016, 0, 1);
/** A fixed bound, like the first: with one that moved with a clock, one id would have two days. */
const END_MS = Date.UTC(2100, 0, 1);

/** The day of events whose id contains no plausible time: one partition of the store, outside every real day. */
export const UNDATED = '0001-01-01';

/** ms since 1970 held in the upper 32 bits of a TikTok snowflake id (room or message); undefined when there are none. */
export function snowflakeTime(id: string): number | undefined {
  if (!/^\d{10,20}$/.test(id)) return undefined;
  const seconds = Number(BigInt(id) >> 32n);
  return seconds > 0 ? seconds * 1000 : undefined;
}

/**
 * Id of a message: `roomId-msgId`, the same over reconnects, workers and replays. A message without a msgId is known
 * by a hash of its method and payload.
 */
export function messageEventId(roomId: string, msgId: string, method: string, payload: Uint8Array): string {
  if (msgId !== '' && msgId !== '0') return `${roomId}-${msgId}`;
  return `${roomId}-h${createHash('sha256').update(method).update(payload).digest('hex').slice(0, 16)}`;
}

/** Id of the n-th monitor event about a creator by the holder with this fence (microseconds). */
export function monitorEventId(creatorId: string, fence: string, n: number): string {
  return `${creatorId}-${fence}-${n}`;
}

/**
 * The day (UTC, `YYYY-MM-DD`) under which an event is stored. It depends on the id alone, so that a late duplicate is stored
 * under the day of its original. {@link UNDATED} for ids outside 2016 to 2099.
 */
export function dayOfEvent(id: string): string {
  const [first = '', second = ''] = id.split('-');
  const time = first.startsWith('cr_')
    ? Math.floor(Number(second) / 1000)
    : second.startsWith('h')
      ? snowflakeTime(first)
      : snowflakeTime(second);
  if (time === undefined || !(time >= EARLIEST_MS && time < END_MS)) return UNDATED;
  return new Date(time).toISOString().slice(0, 10);
}
