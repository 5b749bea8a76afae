import type { Socket } from 'node:net';
import { type RawData, WebSocket } from 'ws';
import { controlFrame, type Frame, withSeqId } from '../wire/frame-writer.js';
import { bytesOf, encode, numberOf, readFields, textOf } from '../wire/protobuf.js';

/** A connection as `GET /sim/rooms/:uniqueId/connections` shows it. Times are ms since 1970. */
export interface ConnectionInfo {
  id: string;
  roomId: string;
  openedAt: number;
  closedAt?: number;
  reason?: string;
  userAgent: string;
  enteredRoom: boolean;
  frames: number;
  messages: number;
  acks: number;
  heartbeats: number;
  lastAckAt?: number;
}

/** What a connection needs of the room that it is in. */
export interface ConnectionRoom {
  readonly uniqueId: string;
  readonly roomId: string;
  readonly connections: Set<Connection>;
  /** The viewer has confirmed the messages from `first` to `last`. */
  acknowledged(connection: Connection, first: number, last: number): void;
  leave(connection: Connection): void;
}

/** Frames whose acknowledgement is waited for; older ones are forgotten. */
const UNACKED_MAX = 2_000;
const TRICKLE_TICK_MS = 100;

/** One viewer's WebSocket. */
export class Connection {
  readonly info: ConnectionInfo;
  private seqId = 0;
  private readonly unacked = new Map<string, { room: ConnectionRoom; first: number; last: number }>();
  private lastHeard: number;
  private trickle: { queue: Buffer[]; offset: number; timer: NodeJS.Timeout } | undefined;
  /** Bytes that are queued under the fault `slow`. */
  private trickledBytes = 0;
  private endReason: string | undefined;

  constructor(
    readonly id: string,
    readonly socket: WebSocket,
    private readonly wire: Socket,
    public room: ConnectionRoom,
    private readonly options: {
      userAgent: string;
      bufferBytesMax: number;
      enter: (connection: Connection, roomId: string) => boolean;
      /** How slowly frames of a room are written now; undefined at full speed. */
      bytesPerSecond: (room: ConnectionRoom) => number | undefined;
      closed: (connection: Connection) => void;
    },
    now: number,
  ) {
    this.lastHeard = now;
    this.info = {
      id,
      roomId: room.roomId,
      openedAt: now,
      userAgent: options.userAgent,
      enteredRoom: false,
      frames: 0,
      messages: 0,
      acks: 0,
      heartbeats: 0,
    };
    socket.on('message', (data) => this.heard(data));
    socket.on('ping', (data: Buffer) => {
      if (!this.trickle) socket.pong(data);
    });
    // A reset by the peer is an ordinary end; the event `close` follows.
    socket.on('error', (error) => (this.endReason ??= error.message));
    socket.on('close', (code) => {
      if (this.trickle) clearInterval(this.trickle.timer);
      this.info.closedAt = Date.now();
      this.info.reason = this.endReason ?? `closed by the client (${code})`;
      options.closed(this);
    });
  }

  get open(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Frames with messages that are written and not acknowledged. */
  get unackedFrames(): number {
    return this.unacked.size;
  }

  /** Milliseconds since the client last sent anything. */
  silentMs(now: number): number {
    return now - this.lastHeard;
  }

  /** Writes a frame; false when the connection is gone, or was ended because its reader is too slow. */
  send(frame: Frame, bytesPerSecond?: number): boolean {
    if (!this.open) return false;
    if (this.wire.writableLength + this.trickledBytes > this.options.bufferBytesMax) {
      this.destroy('reader too slow');
      return false;
    }
    const bytes = withSeqId(frame, ++this.seqId);
    // Written directly to the socket in one piece: the library would write header and payload separately.
    if (this.trickle || bytesPerSecond !== undefined) this.queueTrickle(bytes);
    else this.wire.write(bytes);
    this.info.frames++;
    this.info.messages += frame.messages;
    if (frame.first !== undefined && frame.last !== undefined) {
      this.unacked.set(frame.logId, { room: this.room, first: frame.first, last: frame.last });
      if (this.unacked.size > UNACKED_MAX) this.unacked.delete(this.unacked.keys().next().value ?? '');
    }
    return true;
  }

  /** Writes bytes that are no frame. */
  sendGarbage(bytes: Buffer): void {
    if (this.open && !this.trickle) this.socket.send(bytes);
  }

  /** Cuts the connection as a lost network does: no close frame. */
  destroy(reason: string): void {
    this.endReason = reason;
    this.socket.terminate();
  }

  private heard(data: RawData): void {
    this.lastHeard = Date.now();
    const fields = readFields(toBuffer(data), 100);
    const type = fields && textOf(fields, 7);
    if (!fields || !type) return;
    if (type === 'hb') {
      this.info.heartbeats++;
    } else if (type === 'ack') {
      this.info.acks++;
      this.info.lastAckAt = this.lastHeard;
      const logId = numberOf(fields, 2)?.toString();
      const frame = logId === undefined ? undefined : this.unacked.get(logId);
      if (!frame || logId === undefined) return;
      this.unacked.delete(logId);
      frame.room.acknowledged(this, frame.first, frame.last);
    } else if (type === 'im_enter_room') {
      const body = readFields(bytesOf(fields, 8) ?? Buffer.alloc(0));
      const roomId = body && numberOf(body, 1)?.toString();
      const entered = roomId !== undefined && this.options.enter(this, roomId);
      this.info.enteredRoom ||= entered;
      if (roomId !== undefined && this.open) {
        const answer = encode((writer) => writer.id(1, roomId).int(2, entered ? 0 : 1));
        const bytes = withSeqId(controlFrame('im_enter_room_resp', answer), ++this.seqId);
        if (this.trickle) this.queueTrickle(bytes);
        else this.wire.write(bytes);
      }
    }
  }

  /** After the fault, frames still queue behind the slow bytes, so that the stream stays in order. */
  private queueTrickle(bytes: Buffer): void {
    this.trickledBytes += bytes.length;
    if (this.trickle) this.trickle.queue.push(bytes);
    else this.trickle = { queue: [bytes], offset: 0, timer: setInterval(() => this.drip(), TRICKLE_TICK_MS) };
  }

  private drip(): void {
    const { trickle } = this;
    if (!trickle) return;
    // As the fault is now: what waits when it ends is written at once.
    const bytesPerSecond = this.options.bytesPerSecond(this.room) ?? Infinity;
    let budget = Math.max(1, Math.floor((bytesPerSecond * TRICKLE_TICK_MS) / 1_000));
    while (budget > 0 && trickle.queue.length > 0 && !this.wire.destroyed) {
      const head = trickle.queue[0] as Buffer;
      const part = head.subarray(trickle.offset, Math.min(head.length, trickle.offset + budget));
      this.wire.write(part);
      budget -= part.length;
      this.trickledBytes -= part.length;
      trickle.offset += part.length;
      if (trickle.offset === head.length) {
        trickle.queue.shift();
        trickle.offset = 0;
      }
    }
    if (trickle.queue.length === 0) {
      clearInterval(trickle.timer);
      this.trickle = undefined;
    }
  }
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
