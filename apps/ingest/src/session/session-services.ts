import type { CreatorRecord, OpenedSecrets } from '@tributary/creators';
import type { GapReason } from '@tributary/events';
import type { BackoffBounds } from '@tributary/runtime/backoff';
import type { Clock } from '../pacing/clock.js';
import type { Appender } from './creator-publisher.js';
import type { PollDesk } from '../discovery/liveness-poller.js';
import type { ConnectionReport, LinkOptions, Normaliser, RoomLink, WorkerTotals } from './room-connection.js';
import type { SignDesk } from '../signing/sign-scheduler.js';

/** Times of a session, in ms. */
export interface SessionTiming {
  /** Between two polls of an offline creator, on average; from half of it to 8 times it, by what is known of the creator. */
  pollMs: number;
  /** A connection without a message for this long is replaced; longer each time it stays silent. */
  silenceMs: number;
  /** Between the two polls that confirm an end. */
  confirmMs: number;
  /** A connection that lived this long, with messages, was a good one: the next reconnect is quick again. */
  stableMs: number;
  endLingerMs: number;
  reconnect: BackoffBounds;
  /** Waits of a blocked creator that is told no time. */
  block: BackoffBounds;
}

export const SESSION_TIMING: Omit<SessionTiming, 'pollMs' | 'silenceMs'> = {
  confirmMs: 2_000,
  stableMs: 10_000,
  endLingerMs: 2_000,
  reconnect: { firstMs: 500, maxMs: 60_000 },
  block: { firstMs: 30_000, maxMs: 1_800_000 },
};

export interface SessionLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What a normaliser of a room is made with. */
export interface NormaliserSeed {
  record: CreatorRecord;
  roomId: string;
  carry?: string;
  recentIds?: readonly string[];
}

/** What all sessions of a worker share. */
export interface SessionServices {
  worker: string;
  clock: Clock;
  logger: SessionLogger;
  timing: SessionTiming;
  polls: PollDesk;
  signs: SignDesk;
  appender: Appender;
  totals: WorkerTotals;
  link(options: LinkOptions): RoomLink;
  normaliser(seed: NormaliserSeed): Normaliser;
  /** Whether a room that refuses us does so because it wants a login, asked through the proxy of its creator. */
  isGated(roomId: string, signal: AbortSignal, proxy?: string): Promise<boolean>;
  /** Session cookie and proxy of a creator, in clear. */
  secrets(record: CreatorRecord): OpenedSecrets;
  /** For metrics. */
  onGap(reason: GapReason): void;
  onReconnect(): void;
  onConnectionEnd(end: ConnectionReport): void;
}

/** Why a worker lets go of a creator. `lost`: another worker has its lease; all others are orderly. */
export type StopReason = 'shutdown' | 'moved' | 'paused' | 'removed' | 'lost';
