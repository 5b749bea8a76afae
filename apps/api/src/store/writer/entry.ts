import { dayOfEvent } from '@tributary/events';
import type { InboxEntry } from '@tributary/log';

/** One inbox entry that has every field an event needs; `data` is still text, which PostgreSQL judges. */
export interface EntryRow {
  entry: InboxEntry;
  id: string;
  day: string;
  type: string;
  creatorId: string;
  handle: string;
  roomId: string;
  time: number;
  receivedAt: number;
  data: string;
  raw: string | null;
}

const ID_CHARACTERS_MAX = 200;
/** The last instant PostgreSQL and JavaScript both take without trouble: the year 9999. */
const TIME_MS_MAX = Date.UTC(9999, 11, 31);

/** Reads an entry's fields, or says in one sentence what is wrong with them. */
export function readEntry(entry: InboxEntry): EntryRow | string {
  const { id, type, creator, handle, room, ts, at, data, raw } = entry.fields;
  if (!id || id.length > ID_CHARACTERS_MAX) return 'id: expected 1 to 200 characters';
  if (!type || !/^[A-Za-z0-9.]{1,100}$/.test(type)) return 'type: expected letters, digits and dots';
  if (!creator || creator.length > ID_CHARACTERS_MAX) return 'creator: expected an id of 1 to 200 characters';
  if (handle === undefined || handle.length > ID_CHARACTERS_MAX) return 'handle: expected up to 200 characters';
  if (room === undefined || room.length > ID_CHARACTERS_MAX) return 'room: expected up to 200 characters';
  if (!data?.startsWith('{')) return 'data: expected a JSON object';
  const time = Number(ts);
  const receivedAt = Number(at);
  if (!ts || !(time >= 0 && time <= TIME_MS_MAX)) return 'ts: expected ms since 1970';
  if (!at || !(receivedAt >= 0 && receivedAt <= TIME_MS_MAX)) return 'at: expected ms since 1970';
  return { entry, id, day: dayOfEvent(id), type, creatorId: creator, handle, roomId: room, time, receivedAt, data, raw: raw ?? null };
}

/** The JSON of a stored event, built around its data as text: the feed carries it without parsing it again. */
export function storedJson(row: EntryRow, seq: number): string {
  const head = JSON.stringify({
    seq,
    id: row.id,
    type: row.type,
    creatorId: row.creatorId,
    handle: row.handle,
    roomId: row.roomId,
    time: row.time,
    receivedAt: row.receivedAt,
  });
  return `${head.slice(0, -1)},"data":${row.data}}`;
}
