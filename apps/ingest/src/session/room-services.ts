import type { GapReason } from '@tributary/events';
import type { Logger } from '@tributary/runtime';
import type { RoomConnection, RoomConnectionOptions } from '@tributary/webcast';
import type { LivenessPoller } from '../discovery/liveness-poller.js';
import type { Clock } from '../pacing/clock.js';
import type { RoomBundle, SignScheduler } from '../signing/sign-scheduler.js';
import type { ConnectionReport, MessageTotals, Normaliser, NormaliserOptions } from './message-pipeline.js';

/** A connection to a room: the RoomConnection of libs/webcast, or a test's. */
export type Connection = Pick<RoomConnection, 'connect' | 'close'> & { readonly stats: Readonly<RoomConnection['stats']> };

export type ConnectionOptions = Pick<RoomConnectionOptions, 'uniqueId' | 'onMessages' | 'onClose'> & {
  bundle: RoomBundle;
  onOpen(): void;
};

/** Makes what a room is received with. */
export interface RoomFactory {
  connection(options: ConnectionOptions): Connection;
  normaliser(options: NormaliserOptions): Normaliser;
}

/** What the sessions of a worker count. */
export interface SessionMetrics {
  readonly totals: MessageTotals;
  gap(reason: GapReason): void;
  reconnect(): void;
  connectionEnd(report: ConnectionReport): void;
}

/** What the room sessions of a worker share. */
export interface RoomServices {
  clock: Clock;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  poller: LivenessPoller;
  signer: SignScheduler;
  rooms: RoomFactory;
  metrics: SessionMetrics;
  /** A connection without a message for this long is replaced; longer each time it stays silent. */
  silenceMs: number;
}
