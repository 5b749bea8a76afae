import { GAP_REASONS, type GapReason } from '@tributary/events';

/** A stretch whose events are missing and which no gap event has told yet: it is told when its end is known. */
export interface OpenGap {
  /** ms since 1970 of the last message before it. */
  from: number;
  reason: GapReason;
  /** Messages per second before it, where that is known. */
  rate?: number;
}

/**
 * What the next holder of a creator must know. It is written by the same command as the event that changes it, so that
 * it is never newer or older than what is in the inbox.
 */
export interface CreatorCarry {
  /** The room last spoken of, and whether it was live then. */
  roomId: string;
  live: boolean;
  gap?: OpenGap;
  /** State of the room's normaliser. */
  room?: string;
  /** Ids of the last messages, where the connection ended in an orderly way: TikTok sends some of them again. */
  ids?: string[];
  /** The standby that received the room beside its holder until the holder left: for it alone there is no gap. */
  handedTo?: string;
  /** When it used to be live, as LiveHours writes it. */
  hours?: string;
}

/** Ids carried: a new connection was seen to repeat 6 messages. */
export const CARRIED_IDS_MAX = 64;
/** Ids carried to a standby, which has received what its predecessor did since the offer: as many as a normaliser knows. */
export const HANDED_IDS_MAX = 2_048;

/** Version of the text: another one is not read, and the holder starts without. */
const VERSION = 1;

export function encodeCreatorCarry(carry: CreatorCarry): string {
  return JSON.stringify({ v: VERSION, ...carry });
}

/** Names the standby of one worker run for a creator held under this fence. */
export function handOverToken(run: string, fence: string): string {
  return `${run}/${fence}`;
}

/** Text that stands in a carry once its holder has left to this standby, and never before. */
export function handOverProof(token: string): string {
  return `"handedTo":${JSON.stringify(token)}`;
}

/** Reads a carry; undefined when it is of another version or unreadable. */
export function decodeCreatorCarry(text: string | undefined): CreatorCarry | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value.v !== VERSION || typeof value.roomId !== 'string' || typeof value.live !== 'boolean') return undefined;
  const { roomId, live, gap, room, ids, handedTo, hours } = value;
  return {
    roomId,
    live,
    ...(isGap(gap) ? { gap: { from: gap.from, reason: gap.reason, ...(gap.rate === undefined ? {} : { rate: gap.rate }) } } : {}),
    ...(typeof room === 'string' ? { room } : {}),
    ...(Array.isArray(ids) ? { ids: ids.filter((id) => typeof id === 'string').slice(-HANDED_IDS_MAX) } : {}),
    ...(typeof handedTo === 'string' ? { handedTo } : {}),
    ...(typeof hours === 'string' ? { hours } : {}),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isGap(value: unknown): value is OpenGap {
  return (
    isObject(value) &&
    typeof value.from === 'number' &&
    (value.rate === undefined || typeof value.rate === 'number') &&
    GAP_REASONS.some((reason) => reason === value.reason)
  );
}
