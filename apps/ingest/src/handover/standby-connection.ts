import type { CreatorRecord, TakenOffer } from '@tributary/creators';
import type { ConnectionEnd, WireMessage } from '@tributary/webcast';
import type { Clock } from '../pacing/clock.js';
import type { Connection, ConnectionOptions, RoomFactory } from '../session/room-services.js';
import type { RoomBundle, SignScheduler } from '../signing/sign-scheduler.js';
import { type HandoverState, handoverToken } from './handover-state.js';

/** What standby connections are made with. */
export interface StandbyServices {
  clock: Clock;
  signer: SignScheduler;
  rooms: Pick<RoomFactory, 'connection'>;
}

export interface StandbyConnectionOptions {
  services: StandbyServices;
  record: CreatorRecord;
  offer: TakenOffer;
  /** The name under which this worker holds leases. */
  run: string;
  /** Bytes that all standby connections of this worker hold. */
  pool: { bytes: number };
}

/** Bounds of one standby connection, and of all of a worker: beyond them the oldest messages go. 50 messages/s fill 1 MiB in about 12 s. */
const BYTES_MAX = 1_048_576;
const POOL_BYTES_MAX = 67_108_864;
const MESSAGE_OVERHEAD_BYTES = 120;
/** A connection without a frame for this long after it opened leads to a quiet room. */
const FIRST_FRAME_MS = 1_000;
const CHECK_MS = 25;

interface Batch {
  messages: WireMessage[];
  receivedAt: number;
  bytes: number;
}

/**
 * A connection to a room whose creator another worker still holds: it keeps messages and publishes nothing. Once this worker
 * has the lease, the messages go through the creator's normaliser, which drops those that the old holder has published.
 */
export class StandbyConnection {
  /** What the old holder writes into the handover state when it leaves the room to this connection. */
  readonly token: string;
  /** ms since 1970 when the offer was taken. */
  readonly takenAt: number;
  private readonly abandoned = new AbortController();
  private connection: Connection | undefined;
  private signed: RoomBundle | undefined;
  private owner: ConnectionOptions | undefined;
  private end: ConnectionEnd | undefined;
  private batches: Batch[] = [];
  private bytes = 0;
  /** ms since 1970 from which on every received message is kept here. */
  private keptFrom = 0;
  private isTruncated = false;

  constructor(private readonly options: StandbyConnectionOptions) {
    this.token = handoverToken(options.run, options.offer.fence);
    this.takenAt = options.services.clock.now();
  }

  get offer(): TakenOffer {
    return this.options.offer;
  }

  /** What its connection was signed with. @throws Error before {@link open} has succeeded. */
  get bundle(): RoomBundle {
    if (!this.signed) throw new Error('this standby connection was never signed');
    return this.signed;
  }

  /** Whether it has opened and not ended. */
  get isOpen(): boolean {
    return this.keptFrom > 0 && this.end === undefined;
  }

  /** Signs, connects, and waits for the first frame. Returns why it cannot receive the room, or undefined when it does. */
  async open(signal: AbortSignal): Promise<string | undefined> {
    const { services, record, offer } = this.options;
    const { clock, signer, rooms } = services;
    const { signal: abandoned } = this.abandoned;
    const abandon = () => this.abandoned.abort();
    signal.addEventListener('abort', abandon, { once: true });
    try {
      if (signal.aborted) return 'stopped';
      const signed = await signer.sign({ roomId: offer.roomId, creator: record }, offer.urgent, abandoned, (ticket) => {
        if (ticket.waitMs() > offer.offerTtlMs) abandon();
      });
      if (!signed) return 'no sign call in time';
      if (!signed.ok) return `sign-${signed.reason}: ${signed.message}`;
      this.signed = signed.bundle;
      this.connection = rooms.connection({
        bundle: signed.bundle,
        uniqueId: record.uniqueId,
        onOpen: () => (this.keptFrom = clock.now()),
        onMessages: (messages, receivedAt) => this.receive(messages, receivedAt),
        onClose: (end) => this.closed(end),
      });
      const result = await this.connection.connect(abandoned);
      if (!result.ok) return `connect-${result.reason}: ${result.message}`;
      for (let waitedMs = 0; waitedMs < FIRST_FRAME_MS && this.isOpen && this.connection.stats.frames === 0; waitedMs += CHECK_MS) {
        if (!(await clock.sleep(CHECK_MS, abandoned))) break;
      }
      return this.isOpen && !abandoned.aborted ? undefined : 'the connection ended';
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  /**
   * Until when (ms since 1970) messages may be missing after the old holder's last event. Undefined when none can be: the
   * old holder left the room to this connection, and the messages kept here reach back to its last one.
   */
  missingUntil({ handedTo, ids }: HandoverState): number | undefined {
    if (handedTo !== this.token) return this.keptFrom;
    const oldest = this.batches[0]?.messages[0];
    return !this.isTruncated || (oldest && ids?.includes(oldest.msgId)) ? undefined : this.keptFrom;
  }

  /** The connection for its new owner: `connect` delivers what was kept, and everything later goes to the owner. */
  adopt(owner: ConnectionOptions): Connection {
    const { connection } = this;
    if (!connection) throw new Error('this standby connection was never opened');
    return {
      stats: connection.stats,
      connect: () => {
        this.deliver(owner);
        return Promise.resolve({ ok: true });
      },
      close: (reason) => connection.close(reason),
    };
  }

  /** It is not needed: closes the connection and drops what was kept. */
  discard(): void {
    this.abandoned.abort();
    this.drop();
    if (!this.owner) void this.connection?.close();
  }

  private deliver(owner: ConnectionOptions): void {
    const { batches } = this;
    this.owner = owner;
    this.drop();
    owner.onOpen();
    for (const { messages, receivedAt } of batches) owner.onMessages(messages, receivedAt);
    if (this.end) owner.onClose(this.end);
  }

  private receive(messages: WireMessage[], receivedAt: number): void {
    if (this.owner) {
      this.owner.onMessages(messages, receivedAt);
      return;
    }
    if (this.abandoned.signal.aborted) return;
    // Payloads are views into a frame that is not kept.
    const copies = messages.map((message) => ({ ...message, payload: Uint8Array.from(message.payload) }));
    const bytes = copies.reduce((sum, { payload }) => sum + payload.length + MESSAGE_OVERHEAD_BYTES, 0);
    this.batches.push({ messages: copies, receivedAt, bytes });
    this.addBytes(bytes);
    while ((this.bytes > BYTES_MAX || this.options.pool.bytes > POOL_BYTES_MAX) && this.batches.length > 1) {
      this.addBytes(-this.batches.shift()!.bytes);
      this.isTruncated = true;
      this.keptFrom = this.batches[0]!.receivedAt;
    }
  }

  private closed(end: ConnectionEnd): void {
    this.end = end;
    this.owner?.onClose(end);
  }

  private addBytes(bytes: number): void {
    this.bytes += bytes;
    this.options.pool.bytes += bytes;
  }

  private drop(): void {
    this.batches = [];
    this.addBytes(-this.bytes);
  }
}
