import type { ResolveResult, RoomInfoResult } from '@tributary/webcast';
import type { CacheKind } from '../cache/kinds.js';

/** Answers about a handle that may be cached: neither a block nor a failure. */
export type FoundRoom = Extract<ResolveResult, { kind: 'live' | 'offline' | 'not-found' }>;
/** Answers of room info that may be cached. */
export type KnownInfo = Extract<RoomInfoResult, { kind: 'info' | 'gated' | 'finished' }>;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A handle that does not exist is cached for this long. */
const NOT_FOUND_MS = MINUTE_MS;

/** The room of a handle. While TikTok refuses to answer, its answer of the last ten minutes is served. */
export function roomKind(freshMs: number): CacheKind<FoundRoom> {
  return {
    name: 'room',
    freshMs: (room) => (room.kind === 'not-found' ? Math.max(freshMs, NOT_FOUND_MS) : freshMs),
    staleMs: 10 * MINUTE_MS,
    entriesMax: 20_000,
    local: freshMs === 0,
  };
}

export const infoKind: CacheKind<KnownInfo> = { name: 'info', freshMs: () => 10_000, staleMs: 10 * MINUTE_MS, entriesMax: 5_000 };

/** Handle of the creator whose room it is: a room never changes hands. */
export const ownerKind: CacheKind<string> = { name: 'owner', freshMs: () => DAY_MS, staleMs: 0, entriesMax: 50_000 };

/** Handle and newest room of a user id that was met; handles change now and then. */
export const userKind: CacheKind<{ uniqueId: string; roomId?: string }> = {
  name: 'user',
  freshMs: () => 7 * DAY_MS,
  staleMs: 0,
  entriesMax: 50_000,
};

/** TikTok's answer to `gift/list`, as it came: JSON of a few hundred KB. */
export const giftsKind: CacheKind<string> = {
  name: 'gifts',
  freshMs: () => 10 * MINUTE_MS,
  staleMs: DAY_MS,
  entriesMax: 64,
  bytes: (text) => 2 * text.length,
  encode: (text) => text,
  decode: (text) => text,
};
