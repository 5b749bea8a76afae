/** Options of a creator's monitoring. */
export interface CreatorOptions {
  /** Keep the raw protobuf of its messages. */
  raw?: boolean;
  /** Event types to keep (`tiktok.live.chat`, `tiktok.live.*`); all of them when absent. `monitor.*` is always kept. */
  types?: string[];
  /** Session cookies of an account, sealed (base64): sent to the signer for its connections, and to its socket. */
  sessionCookie?: string;
  /** Proxy of its polls and its socket: the encrypted address (base64), and the address without its password, for display. */
  proxy?: { sealed: string; shown: string };
}

/** A creator as workers know it: the projection of what PostgreSQL holds. */
export interface CreatorRecord {
  /** Stable internal id (`cr_...`). */
  id: string;
  /** Current handle, without @. */
  uniqueId: string;
  /** TikTok's user id, once resolved. */
  userId?: string;
  paused: boolean;
  options: CreatorOptions;
  /** When it was last added or changed, ms since 1970: a creator that was just added is polled more often than one that is long offline. */
  changedAt?: number;
}

/** What the store knows of a creator that was live at its newest stored event. */
export interface LastSeen {
  roomId: string;
  /** ms since 1970 when its newest stored event had arrived. */
  at: number;
}

/**
 * What is known of a creator. `unknown`: it is not known whether it is live, because no worker holds it or has asked yet, or every
 * poll has failed. `paused`: it is not monitored, on request; a worker writes this state once, when it releases the creator.
 */
export const CREATOR_STATES = ['offline', 'connecting', 'live', 'reconnecting', 'gated', 'blocked', 'error', 'paused', 'unknown'] as const;
export type CreatorState = (typeof CREATOR_STATES)[number];

/** Why a creator is not received, in the words of the side that refused. `at` and `retryAt` are ms since 1970. */
export interface CreatorProblem {
  reason: string;
  message: string;
  at: number;
  /** When the worker tries again; for `blocked` the end of the block. */
  retryAt?: number;
}

/** Totals of one holder for one creator, since it took the creator over. */
export interface CreatorCounters {
  frames: number;
  messages: number;
  events: number;
  duplicates: number;
  unknown: number;
  decodeErrors: number;
  reconnects: number;
  gaps: number;
}

/** The status that the holder of a creator last wrote. */
export interface CreatorStatus {
  state: CreatorState;
  /** ms since 1970 when this state began. */
  since: number;
  /** What was known last: whether it was live, and when that was, ms since 1970. */
  checked?: { live: boolean; at: number };
  worker?: string;
  roomId?: string;
  userId?: string;
  title?: string;
  viewers?: number;
  lastError?: CreatorProblem;
  /** Place (1 = next) and estimated wait while it queues for a sign call. */
  queue?: { place: number; waitMs: number };
  counters: CreatorCounters;
}

/** How far this worker's events have come, since its start. */
export interface WorkerCounters {
  /** Messages that came out of sockets. */
  received: number;
  /** Events made of them. */
  decoded: number;
  /** Events in the inbox. */
  appended: number;
  /** Events that the store has committed. */
  confirmed: number;
}

/** A worker's heartbeat. Times are ms since 1970. */
export interface WorkerRecord {
  worker: string;
  /** Creators it holds at most. */
  capacity: number;
  /** Creators it holds. */
  creators: number;
  counters: WorkerCounters;
  startedAt: number;
}

/** Zeroed counters of a new holder. */
export function emptyCounters(): CreatorCounters {
  return { frames: 0, messages: 0, events: 0, duplicates: 0, unknown: 0, decodeErrors: 0, reconnects: 0, gaps: 0 };
}
