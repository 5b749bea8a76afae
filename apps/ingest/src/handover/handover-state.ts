import { GAP_REASONS, type GapReason } from '@tributary/events';

/** A period whose events are missing and for which there is no gap event yet: its end is not known. */
export interface OpenGap {
  /** ms since 1970 of the last message before it. */
  from: number;
  reason: GapReason;
  /** Messages per second before it, where that is known. */
  rate?: number;
}

/**
 * What the next holder of a creator must know. The command that appends an event also writes the state that the event
 * changes, so that the state always matches the inbox. Redis keeps it in the hash `carry` beside the leases.
 */
export interface HandoverState {
  /** The room of the last event, and whether the creator was live then. */
  roomId: string;
  live: boolean;
  gap?: OpenGap;
  /** State of the room's normaliser. */
  room?: string;
  /** Ids of the last messages, after an orderly end of the connection: TikTok sends some of them again. */
  ids?: string[];
  /** Token of the standby connection that received the room until this holder left it: for that one alone there is no gap. */
  handedTo?: string;
  /** When the creator used to be live, as LiveHours writes it. */
  hours?: string;
}

/** Ids kept for the next connection: one was seen to repeat 6 messages. */
export const RECENT_IDS_MAX = 64;
/** Ids kept for a standby connection, which has received the same messages since the offer: as many as a normaliser knows. */
export const HANDOVER_IDS_MAX = 2_048;

/** Version of the text. A holder that finds another version starts without a state. */
const VERSION = 1;

export function encodeHandoverState(state: HandoverState): string {
  return JSON.stringify({ v: VERSION, ...state });
}

/** Names the standby connection of one worker run for a creator held under this fence. */
export function handoverToken(run: string, fence: string): string {
  return `${run}/${fence}`;
}

/** Text that a handover state contains once its holder has left the room to this standby connection, and never before. */
export function handoverProof(token: string): string {
  return `"handedTo":${JSON.stringify(token)}`;
}

/** Reads a handover state; undefined when it is of another version or unreadable. */
export function decodeHandoverState(text: string | undefined): HandoverState | undefined {
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
    ...(Array.isArray(ids) ? { ids: ids.filter((id) => typeof id === 'string').slice(-HANDOVER_IDS_MAX) } : {}),
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
