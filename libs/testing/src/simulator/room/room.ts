import type { Connection, ConnectionInfo } from './connection.js';
import type { RoomFaults } from '../control/faults.js';
import type { Frame, FrameWriter, Position } from '../wire/frame-writer.js';
import { History } from './history.js';
import { introMessages, type RepeatableMessage } from './intro.js';
import { Ledger } from './ledger.js';
import { type Method, methodOf } from '../wire/methods.js';
import type { SharedParts } from '../traffic/shared-parts.js';
import { Random } from '../traffic/random.js';
import { CONTROL, writeControl } from '../traffic/rare-messages.js';
import { messageId, snowflake, type MessageIdentity, writeCommon } from '../wire/message-identity.js';
import { Traffic } from '../traffic/traffic.js';
import { type Effect, TotalsCounter, type Totals } from './totals.js';
import type { WireWriter } from '../wire/protobuf.js';

/** What a room is opened with. */
export interface RoomOptions {
  /** Handle, without `@`. */
  uniqueId: string;
  nickname?: string;
  title?: string;
  /** Messages a second; 4 is a moderate room. */
  rate?: number;
  live?: boolean;
  /** Age-gated: room info is refused, the connection works. */
  gated?: boolean;
  /** Room info is refused to viewers that are not logged in, the connection works. */
  loginNeeded?: boolean;
}

/** What a room shares with all others. */
export interface RoomContext {
  shared: SharedParts;
  seed: string;
  frames: FrameWriter;
  historyCount: number;
  ledgerMax: number;
  idleTraffic: boolean;
  position(roomId: string, now: number, seq: number): Position;
  /** Faults in force for this room at this moment. */
  faultsOf(room: Room): RoomFaults;
  /** Called when a room's next traffic is due at another time than before. */
  schedule(room: Room, at: number): void;
  /** Called when a room delays a frame, which must be released soon. */
  holding(room: Room): void;
}

/** A message given from outside, to be sent as it is. */
export interface PreparedMessage {
  method: Method;
  payload: Uint8Array;
  high: number;
  low: number;
}

/** One broadcast of a creator: its room id, life and numbers. */
export interface Broadcast {
  roomId: string;
  startedAt: number;
  endedAt?: number;
  /** Ordinals of its messages in the ledger. */
  first: number;
  last: number;
  /** Of all messages made. */
  sent: Totals;
  /** Of the messages that were written to a WebSocket at least once. */
  delivered: Totals;
}

/** Messages a frame carries in a moderate room: 4 messages in 1.3 frames a second. */
const PER_FRAME = 3.1;
const INTERVAL_MS_MIN = 50;
const INTERVAL_MS_MAX = 2_000;
/** Bound of messages that are due after a stall of the process. */
const OWED_MAX = 10_000;
const BROADCASTS_MAX = 100;
const CONNECTIONS_MAX = 500;

/** A creator, live or not, with its viewers, traffic and ledger of messages. */
export class Room {
  readonly uniqueId: string;
  readonly userId: string;
  nickname: string;
  title: string;
  rate: number;
  gated: boolean;
  loginNeeded: boolean;
  live = false;
  /** Of the present or last broadcast; empty before the first. */
  roomId = '';
  startedAt = 0;
  readonly ledger: Ledger;
  readonly broadcasts: Broadcast[] = [];
  readonly connections = new Set<Connection>();
  /** Connections that stayed with a broadcast that is over. */
  private readonly stale = new Set<Connection>();
  readonly pastConnections: ConnectionInfo[] = [];
  nextAt = 0;
  /** The frame that the fault `order` delays until after the next one. */
  private held: Frame | undefined;
  private readonly random: Random;
  private readonly traffic: Traffic;
  private sent = new TotalsCounter();
  private delivered = new TotalsCounter();
  private readonly history: History;
  private intro: (RepeatableMessage & { identity: MessageIdentity; n: number })[] = [];
  private owed = 0;
  private lastFlushAt = 0;

  constructor(
    options: RoomOptions,
    private readonly context: RoomContext,
  ) {
    this.uniqueId = options.uniqueId;
    this.nickname = options.nickname ?? options.uniqueId;
    this.title = options.title ?? `${options.uniqueId} is live`;
    this.rate = options.rate ?? 4;
    this.gated = options.gated ?? false;
    this.loginNeeded = options.loginNeeded ?? false;
    this.random = new Random(`${context.seed}/${options.uniqueId}`);
    this.userId = (6_900_000_000_000_000_000n + BigInt(this.random.next32()) * 16_807n).toString();
    this.ledger = new Ledger(context.ledgerMax);
    this.history = new History(context.historyCount);
    this.traffic = new Traffic(context.shared, `${context.seed}/${options.uniqueId}`, '0', this.userId);
  }

  get sentTotals(): Totals {
    return this.sent.totals;
  }

  /** Starts a broadcast under a new room id. */
  goLive(now: number): void {
    if (this.live) return;
    this.live = true;
    this.roomId = snowflake(now, this.random.next32());
    this.startedAt = now;
    this.traffic.enterRoom(this.roomId);
    this.sent = new TotalsCounter();
    this.delivered = new TotalsCounter();
    this.history.clear();
    for (const connection of this.connections) this.stale.add(connection);
    this.connections.clear();
    this.broadcasts.push({
      roomId: this.roomId,
      startedAt: now,
      first: this.ledger.head + 1,
      last: this.ledger.head,
      sent: this.sent.totals,
      delivered: this.delivered.totals,
    });
    if (this.broadcasts.length > BROADCASTS_MAX) this.broadcasts.shift();
    this.makeIntro(now);
    this.owed = 0;
    this.lastFlushAt = now;
    this.reschedule(now);
  }

  /** Ends the broadcast, with a control message unless `end` is false. Viewers stay connected either way. */
  goOffline(now: number, end: boolean): void {
    if (!this.live) return;
    if (end) {
      this.emit(now, 1, (writer, n) => {
        const identity = this.traffic.identity(n, now);
        return { high: identity.high, low: identity.low, ...writeControl(writer, identity, CONTROL.ended) };
      });
    }
    this.live = false;
    const broadcast = this.broadcasts.at(-1);
    if (broadcast) broadcast.endedAt = now;
  }

  /** Sends messages that are due, and schedules the next time. */
  flush(now: number): void {
    this.owed = Math.min(OWED_MAX, this.owed + ((now - this.lastFlushAt) * this.rate) / 1_000);
    this.lastFlushAt = now;
    const due = Math.floor(this.owed);
    if (this.live && due > 0) {
      this.owed -= due;
      if (this.context.idleTraffic || this.connections.size > 0)
        this.emit(now, due, (writer, n) => this.traffic.write(writer, n, now, this.rate));
    }
    this.reschedule(now);
  }

  /** Sends `count` messages of the usual mix at once, whatever the rate; the ordinal of the last. */
  burst(count: number, perFrame: number, now: number): number {
    for (let left = count; this.live && left > 0; left -= perFrame)
      this.emit(now, Math.min(perFrame, left), (writer, n) => this.traffic.write(writer, n, now, Math.max(4, this.rate)));
    return this.ledger.head;
  }

  /** Changes the rate from this moment on. */
  setRate(rate: number, now: number): void {
    this.flush(now);
    this.rate = rate;
    this.owed = 0;
    this.reschedule(now);
  }

  /** Sends given messages in one frame, in their order; the ordinals they got. */
  sendPrepared(messages: PreparedMessage[], now: number): { first: number; last: number } {
    const first = this.ledger.head + 1;
    this.emit(now, messages.length, (writer, n) => {
      const message = messages[n - first] as PreparedMessage;
      writer.raw(message.payload);
      return { ...message, effect: undefined };
    });
    return { first, last: this.ledger.head };
  }

  /** Sends one message of an unknown type with a payload of `bytes`, compressed or not. */
  sendHuge(bytes: number, compressed: boolean, now: number): void {
    const body = Buffer.alloc(bytes, 'tributary ');
    const method = methodOf('WebcastHugeMessage');
    this.emit(
      now,
      1,
      (writer, n) => {
        const identity = this.traffic.identity(n, now);
        writeCommon(writer, method, identity);
        writer.bytes(9, body);
        return { method, high: identity.high, low: identity.low, effect: undefined };
      },
      compressed,
    );
  }

  /** Sends the newest messages again in a frame whose gzip ends in the middle; nothing in it counts as written. */
  sendTruncated(now: number): void {
    const { frames } = this.context;
    frames.begin();
    for (const { bytes } of this.history.repeatable()) frames.addEncoded(bytes);
    const frame = frames.push(this.position(now), now, (payload) => payload.subarray(0, payload.length >> 1));
    for (const connection of this.connections) connection.send({ ...frame, messages: 0 });
  }

  /** Sends the newest messages again, as after a reconnect. False without messages to repeat or without viewers. */
  repeatHistory(now: number, only?: Connection): boolean {
    const { frames } = this.context;
    const history = this.history.repeatable();
    const [first, last] = [history[0], history.at(-1)];
    if (!first || !last || (!only && this.connections.size === 0)) return false;
    frames.begin();
    for (const { bytes } of history) frames.addEncoded(bytes);
    const frame = frames.push(this.position(now), now);
    frame.first = first.n;
    frame.last = last.n;
    this.write(frame, only ? [only] : this.connections, this.context.faultsOf(this));
    return true;
  }

  /** Body of an im/fetch answer, noted in the ledger under `id`. */
  bundle(id: string, now: number, pushServer: string, routeParams: Record<string, string>): Buffer {
    const { frames } = this.context;
    frames.begin();
    for (const { n, identity, method, write } of this.intro) {
      frames.add((writer) => {
        write(writer, identity);
        return { method, high: identity.high, low: identity.low };
      });
      this.ledger.markWritten(n, n, id);
    }
    for (const { n, bytes } of this.history.repeatable()) {
      frames.addEncoded(bytes);
      this.ledger.markWritten(n, n, id);
    }
    return frames.bundle(this.position(now), now, pushServer, routeParams);
  }

  position(now: number): Position {
    return this.context.position(this.roomId, now, this.ledger.head);
  }

  /** Adds a viewer and repeats the history to it. `seen` is the ordinal that its connect bundle reached. */
  enter(connection: Connection, now: number, seen: number | undefined): void {
    this.connections.add(connection);
    if (seen !== undefined) this.reached(seen - this.context.historyCount + 1, seen);
    if (this.live) this.repeatHistory(now, connection);
  }

  /** Every open connection, those of a past broadcast too. */
  get everyone(): Connection[] {
    return [...this.connections, ...this.stale];
  }

  leave(connection: Connection): void {
    this.connections.delete(connection);
    this.stale.delete(connection);
    this.pastConnections.push(connection.info);
    if (this.pastConnections.length > CONNECTIONS_MAX) this.pastConnections.shift();
  }

  acknowledged(connection: Connection, first: number, last: number): void {
    this.ledger.markAcked(first, last, connection.id);
  }

  /** Sends the frame that the fault `order` may have delayed. */
  releaseHeld(faults = this.context.faultsOf(this)): void {
    if (!this.held) return;
    const frame = this.held;
    this.held = undefined;
    this.write(frame, this.connections, faults);
  }

  /** Numbers, records and sends `count` messages as one frame. */
  private emit(
    now: number,
    count: number,
    write: (writer: WireWriter, n: number) => { method: Method; high: number; low: number; effect: Effect | undefined },
    compressed = true,
  ): void {
    const { frames } = this.context;
    frames.begin();
    const first = this.ledger.head + 1;
    for (let n = first; n < first + count; n++) {
      const written = frames.add((writer) => write(writer, n));
      this.ledger.append(this.roomId, written.method.index, written.high, written.low, now);
      this.ledger.markGift(n, written.effect);
      this.sent.add(written.effect);
      this.history.add(n, written.effect);
    }
    const broadcast = this.broadcasts.at(-1);
    if (broadcast) broadcast.last = this.ledger.head;
    this.history.keep(count, (index, bytesMax) => frames.message(index, bytesMax));
    const faults = this.context.faultsOf(this);
    if (this.connections.size > 0 && !faults.silent) {
      const order = faults.shuffled ? this.random.shuffle(Array.from({ length: count }, (_, index) => index)) : undefined;
      if (order) frames.reorder(order);
      const position = this.position(now);
      const frame = compressed ? frames.push(position, now) : frames.pushPlain(position, now);
      frame.first = first;
      frame.last = first + count - 1;
      if (order) frame.order = order.map((index) => first + index);
      if (faults.shuffled && !this.held) {
        this.held = frame;
        this.context.holding(this);
      } else {
        this.write(frame, this.connections, faults);
        this.releaseHeld(faults);
      }
    }
    this.history.trim();
  }

  private write(frame: Frame, connections: Iterable<Connection>, faults: RoomFaults): void {
    if (faults.silent || frame.first === undefined || frame.last === undefined) return;
    let reached = false;
    for (const connection of connections) {
      if (!connection.send(frame, faults.bytesPerSecond)) continue;
      this.ledger.markWritten(frame.first, frame.last, connection.id);
      reached = true;
    }
    if (!reached) return;
    if (frame.order) this.ledger.markWire(frame.order);
    else this.ledger.markWireRange(frame.first, frame.last);
    this.reached(frame.first, frame.last);
  }

  private reached(first: number, last: number): void {
    this.history.reached(first, last, (effect) => this.delivered.add(effect));
  }

  private makeIntro(now: number): void {
    this.intro = introMessages(this.traffic, () => this.title).map((message) => {
      const n = this.ledger.head + 1;
      const identity: MessageIdentity = { ...this.traffic.identity(n, now), ...messageId(n, this.traffic.salt, now) };
      this.ledger.append(this.roomId, message.method.index, identity.high, identity.low, now);
      this.sent.add(undefined);
      return { ...message, identity, n };
    });
    const broadcast = this.broadcasts.at(-1);
    if (broadcast) broadcast.last = this.ledger.head;
  }

  private reschedule(now: number): void {
    if (!this.live || this.rate <= 0) {
      this.nextAt = 0;
      return;
    }
    const interval = Math.min(INTERVAL_MS_MAX, Math.max(INTERVAL_MS_MIN, (PER_FRAME / this.rate) * 1_000));
    this.nextAt = now + interval * (0.7 + 0.6 * Math.random());
    this.context.schedule(this, this.nextAt);
  }
}
