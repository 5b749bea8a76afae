import type { CreatorRecord, TakenOffer } from '@tributary/creators';
import type { ConnectionEnd, WireMessage } from '@tributary/webcast';
import { type CreatorCarry, handOverToken } from './handover-state.js';
import type { LinkOptions, RoomLink } from '../session/room-connection.js';
import type { SessionServices } from '../session/session-services.js';
import type { RoomBundle } from '../signing/sign-scheduler.js';

export interface StandbyOptions {
  services: SessionServices;
  record: CreatorRecord;
  offer: TakenOffer;
  /** The name that this worker holds leases under. */
  run: string;
  /** Bytes that all standbys of this worker hold. */
  pool: { bytes: number };
}

/** What one standby keeps, and all of a worker together: beyond it the oldest goes. A room of 50 messages/s fills 1 MiB in about 12 s. */
const BYTES_MAX = 1_048_576;
const POOL_BYTES_MAX = 67_108_864;
const MESSAGE_OVERHEAD_BYTES = 120;
/** A connection on which nothing came for so long after it opened is taken for one to a quiet room. */
const LINGER_MS = 1_000;
const LOOK_MS = 25;

interface Batch {
  messages: WireMessage[];
  receivedAt: number;
  bytes: number;
}

/**
 * A connection to a room whose creator another worker still holds: it receives and says nothing. When the lease comes, its
 * messages go through the creator's own normaliser, where those that the old holder has said vanish by their ids.
 */
export class Standby {
  /** What the old holder writes into the carry when it leaves to this standby. */
  readonly token: string;
  /** ms since 1970 when the offer was taken. */
  readonly takenAt: number;
  private readonly gaveUp = new AbortController();
  private link: RoomLink | undefined;
  private signed: RoomBundle | undefined;
  private handlers: LinkOptions | undefined;
  private end: ConnectionEnd | undefined;
  private batches: Batch[] = [];
  private bytes = 0;
  /** ms since 1970 from which on nothing that was received is missing here. */
  private heldFrom = 0;
  private isTruncated = false;

  constructor(private readonly options: StandbyOptions) {
    this.token = handOverToken(options.run, options.offer.fence);
    this.takenAt = options.services.clock.now();
  }

  get offer(): TakenOffer {
    return this.options.offer;
  }

  /** What its connection was signed with. @throws Error before {@link open} has succeeded. */
  get bundle(): RoomBundle {
    if (!this.signed) throw new Error('this standby has no connection');
    return this.signed;
  }

  /** Whether its connection was open, and has been told to end by nobody. */
  get isOpen(): boolean {
    return this.heldFrom > 0 && this.end === undefined;
  }

  /** Signs, connects, and waits until the server speaks. Returns why it cannot receive the room, or undefined when it does. */
  async open(signal: AbortSignal): Promise<string | undefined> {
    const { services, record, offer } = this.options;
    const { signal: gaveUp } = this.gaveUp;
    const giveUp = () => this.gaveUp.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      if (signal.aborted) return 'stopped';
      const signed = await services.signs.sign({ roomId: offer.roomId, creator: record }, offer.urgent, gaveUp, (ticket) => {
        if (ticket.waitMs() > offer.standsMs) this.gaveUp.abort();
      });
      if (!signed) return 'no turn to sign in time';
      if (!signed.ok) return `sign-${signed.reason}: ${signed.message}`;
      this.signed = signed.bundle;
      this.link = services.link({
        bundle: signed.bundle,
        uniqueId: record.uniqueId,
        onOpen: () => (this.heldFrom = services.clock.now()),
        onMessages: (messages, receivedAt) => this.receive(messages, receivedAt),
        onClose: (end) => this.close(end),
      });
      const result = await this.link.connect(gaveUp);
      if (!result.ok) return `connect-${result.reason}: ${result.message}`;
      for (let waitedMs = 0; waitedMs < LINGER_MS && this.isOpen && this.link.stats.frames === 0; waitedMs += LOOK_MS) {
        if (!(await services.clock.sleep(LOOK_MS, gaveUp))) break;
      }
      return this.isOpen && !gaveUp.aborted ? undefined : 'the connection ended';
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /**
   * Until when (ms since 1970) messages may be missing after what the old holder said last; undefined when none can be: it
   * left in an orderly way while this standby received the same, and what was kept reaches back to it.
   */
  missingUntil({ handedTo, ids }: CreatorCarry): number | undefined {
    if (handedTo !== this.token) return this.heldFrom;
    const oldest = this.batches[0]?.messages[0];
    return !this.isTruncated || (oldest && ids?.includes(oldest.msgId)) ? undefined : this.heldFrom;
  }

  /** The connection as its new owner makes it: `connect` delivers what was kept, and from then on it is the owner's. */
  adopt(handlers: LinkOptions): RoomLink {
    const { link } = this;
    if (!link) throw new Error('this standby has no connection');
    return {
      stats: link.stats,
      connect: () => {
        this.handOn(handlers);
        return Promise.resolve({ ok: true });
      },
      close: (reason) => link.close(reason),
    };
  }

  /** It is not needed: closes the connection and lets go of what was kept. */
  discard(): void {
    this.gaveUp.abort();
    this.empty();
    if (!this.handlers) void this.link?.close();
  }

  private handOn(handlers: LinkOptions): void {
    const { batches } = this;
    this.handlers = handlers;
    this.empty();
    handlers.onOpen();
    for (const { messages, receivedAt } of batches) handlers.onMessages(messages, receivedAt);
    if (this.end) handlers.onClose(this.end);
  }

  private receive(messages: WireMessage[], receivedAt: number): void {
    if (this.handlers) {
      this.handlers.onMessages(messages, receivedAt);
      return;
    }
    if (this.gaveUp.signal.aborted) return;
    // Payloads are views into a frame that is not kept.
    const kept = messages.map((message) => ({ ...message, payload: Uint8Array.from(message.payload) }));
    const bytes = kept.reduce((sum, { payload }) => sum + payload.length + MESSAGE_OVERHEAD_BYTES, 0);
    this.batches.push({ messages: kept, receivedAt, bytes });
    this.count(bytes);
    while ((this.bytes > BYTES_MAX || this.options.pool.bytes > POOL_BYTES_MAX) && this.batches.length > 1) {
      this.count(-this.batches.shift()!.bytes);
      this.isTruncated = true;
      this.heldFrom = this.batches[0]!.receivedAt;
    }
  }

  private close(end: ConnectionEnd): void {
    this.end = end;
    this.handlers?.onClose(end);
  }

  private count(bytes: number): void {
    this.bytes += bytes;
    this.options.pool.bytes += bytes;
  }

  private empty(): void {
    this.batches = [];
    this.count(-this.bytes);
  }
}
