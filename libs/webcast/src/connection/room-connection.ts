import { reasonOf } from '@tributary/runtime/reason';
import { onAbort } from '../abort.js';
import { planSocket, type SocketBundle, type SocketPlan } from './socket-plan.js';
import type { SocketLocale } from './browser-params.js';
import { type FetchResult, type FrameLimits, readFrame } from '../frame/frame.js';
import { type SocketFailure, type ConnectResult, type EndReason, refusalOf, type ConnectionEnd } from './connection-outcome.js';
import type { ProxyRoute } from '../proxy/proxy.js';
import { openSocket, type RoomSocket } from './webcast-socket.js';
import { UnreadableFrames } from './unreadable-frames.js';
import type { WireMessage } from '../frame/wire-message.js';

/** What a session writes to. */
export interface ConnectionLogger {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Bounds of a session. All sessions may share one object. */
export interface ConnectionLimits extends FrameLimits {
  connectTimeoutMs: number;
  /** How long a closing handshake may take before the socket is destroyed. */
  closeTimeoutMs: number;
  /** The interval of the client library and of TikTok's web page. */
  heartbeatMs: number;
  /** Bytes of one frame on the wire. Measured on TikTok: 60 KB for a bundle, 50 KB for a payload at most. */
  frameBytesMax: number;
  /** Unreadable frames in a row at which the connection is closed; more when readable ones are between them. */
  unreadableFramesMax: number;
  /** Answers the server has not read, in bytes; beyond it the connection is dead in that direction. */
  unsentBytesMax: number;
}

/** Limits that hold unless others are given. */
export const CONNECTION_LIMITS: Readonly<ConnectionLimits> = Object.freeze({
  connectTimeoutMs: 20_000,
  closeTimeoutMs: 2_000,
  heartbeatMs: 10_000,
  frameBytesMax: 4_194_304,
  inflatedBytesMax: 4_194_304,
  messagesPerFrameMax: 10_000,
  unreadableFramesMax: 8,
  unsentBytesMax: 1_048_576,
});

/** Counts of one connection, live. Times are ms since 1970; 0 means never. */
export interface ConnectionStats {
  openedAt: number;
  /** Time of the last frame: an old one means a dead socket. */
  lastFrameAt: number;
  /** Time of the last message: an old one beside a recent `lastFrameAt` means a quiet room. */
  lastMessageAt: number;
  /** Since when the socket is read: its opening, or the end of the last pause. Infinity while it is paused. */
  listeningSince: number;
  frames: number;
  /** As they came over the wire. */
  bytes: number;
  messages: number;
  /** Frames that could not be read, and were skipped. */
  badFrames: number;
  /** Frames without messages: answers to room entry and heartbeats. */
  otherFrames: number;
  acks: number;
  /** Frames that needed an acknowledgement, but had no data for one. */
  acksSkipped: number;
  /** The server has confirmed the room entry. */
  entered: boolean;
}

/** All that a session needs. */
export interface RoomConnectionOptions {
  bundle: SocketBundle;
  uniqueId: string;
  logger: ConnectionLogger;
  /** Messages of one frame, in order; the bundle's own come first. Synchronous. What it throws is a bug and is logged. */
  onMessages(messages: WireMessage[], receivedAt: number): void;
  /** Called once, as the last callback of a connection that was open. */
  onClose(end: ConnectionEnd): void;
  /** Called when the socket is open, before the first message. */
  onOpen?(): void;
  /** Hosts besides TikTok's that a bundle may point to, as `host` or `host:port`, also by plain `ws://`. */
  allowedHosts?: readonly string[];
  /** The proxy to connect through, if any. */
  proxy?: ProxyRoute;
  locale?: SocketLocale;
  limits?: Readonly<ConnectionLimits>;
}

/**
 * One connection to one room. It connects once and never reconnects, because every connect needs a bundle of its own. Frames
 * are read synchronously and delivered in the order of their arrival.
 */
export class RoomConnection {
  readonly stats: ConnectionStats = {
    openedAt: 0,
    lastFrameAt: 0,
    lastMessageAt: 0,
    listeningSince: 0,
    frames: 0,
    bytes: 0,
    messages: 0,
    badFrames: 0,
    otherFrames: 0,
    acks: 0,
    acksSkipped: 0,
    entered: false,
  };
  private readonly limits: Readonly<ConnectionLimits>;
  private readonly unread: UnreadableFrames;
  private readonly options: Omit<RoomConnectionOptions, 'bundle'>;
  private readonly roomId: string;
  private state: 'new' | 'connecting' | 'open' | 'closing' | 'ended' = 'new';
  private paused = false;
  /** Up to 60 KB with its messages; dropped as soon as it was used. */
  private bundle: SocketBundle | undefined;
  private plan: SocketPlan | undefined;
  private socket: RoomSocket | undefined;
  private failure: SocketFailure | undefined;
  private ending: { reason: EndReason; message: string } | undefined;
  private onEnded: (() => void)[] = [];
  private callbackFailed = false;

  constructor({ bundle, ...options }: RoomConnectionOptions) {
    this.bundle = bundle;
    this.roomId = bundle.roomId;
    this.options = options;
    this.limits = options.limits ?? CONNECTION_LIMITS;
    this.unread = new UnreadableFrames(this.limits.unreadableFramesMax);
  }

  /**
   * Connects. `signal` and the connect time-out end the attempt; `signal` has no effect after it has resolved.
   * @throws Error when it is called a second time.
   */
  async connect(signal: AbortSignal): Promise<ConnectResult> {
    if (this.state === 'ended') return { ok: false, reason: 'aborted', message: 'the session was closed before it connected' };
    const { bundle } = this;
    if (this.state !== 'new' || bundle === undefined) throw new Error('a RoomConnection connects once');
    this.bundle = undefined;
    if (signal.aborted) return this.fail({ ok: false, reason: 'aborted', message: 'the connect was aborted' });
    const { allowedHosts, locale } = this.options;
    const { heartbeatMs, messagesPerFrameMax } = this.limits;
    const planned = planSocket(bundle, { allowedHosts, locale, heartbeatMs, messagesMax: messagesPerFrameMax });
    if (!planned.ok) return this.fail(planned);
    this.state = 'connecting';
    this.plan = planned.plan;
    return new Promise((resolve) => this.dial(planned.plan.config, signal, resolve));
  }

  /**
   * Ends the connection and delivers nothing more. Resolves when it is over, `closeTimeoutMs` later at most; a socket
   * that is closed for its silence is destroyed at once.
   */
  close(reason: 'closed-by-us' | 'silence' = 'closed-by-us'): Promise<void> {
    if (this.state === 'new') this.state = 'ended';
    if (this.state === 'ended') return Promise.resolve();
    const ended = new Promise<void>((resolve) => this.onEnded.push(resolve));
    if (this.state === 'connecting') this.giveUp({ ok: false, reason: 'aborted', message: 'the session was closed while it connected' });
    else if (reason === 'silence') this.drop('silence', 'nothing came from the server for too long');
    else if (this.state === 'open') {
      this.state = 'closing';
      this.ending = { reason, message: 'closed by us' };
      this.socket?.resume();
      this.socket?.close(1000);
    }
    return ended;
  }

  /** Stops reading from the socket until {@link resume}. What was read before (64 KiB at most) is still delivered. */
  pause(): void {
    this.paused = true;
    this.stats.listeningSince = Infinity;
    if (this.state === 'open') this.socket?.pause();
  }

  /** Reads again after {@link pause}. */
  resume(): void {
    if (this.paused) this.stats.listeningSince = Date.now();
    this.paused = false;
    if (this.state === 'open') this.socket?.resume();
  }

  private fail(failure: SocketFailure): SocketFailure {
    this.state = 'ended';
    this.plan = undefined;
    return failure;
  }

  private dial(config: SocketPlan['config'], signal: AbortSignal, resolve: (result: ConnectResult) => void): void {
    let socket: RoomSocket;
    try {
      socket = openSocket(config, { ...this.limits, proxy: this.options.proxy }, (bytes) => this.receive(bytes));
    } catch (error) {
      resolve(this.fail({ ok: false, reason: 'bad-bundle', message: reasonOf(error) }));
      return;
    }
    this.socket = socket;
    const onTimeout = () =>
      this.giveUp({ ok: false, reason: 'timeout', message: `no WebSocket within ${this.limits.connectTimeoutMs} ms` });
    const timer = setTimeout(onTimeout, this.limits.connectTimeoutMs);
    const ignoreAbort = onAbort(signal, () => this.giveUp({ ok: false, reason: 'aborted', message: 'the connect was aborted' }));
    const settle = () => {
      clearTimeout(timer);
      ignoreAbort();
    };
    socket.once('open', () => {
      settle();
      this.opened();
      resolve({ ok: true });
    });
    socket.once('unexpected-response', (_request, response) => {
      this.giveUp(refusalOf(response));
    });
    socket.on('error', (error) => this.failed(error));
    socket.once('close', (code: number, reason: Buffer) => {
      settle();
      if (this.stats.openedAt === 0) {
        resolve(this.fail(this.failure ?? { ok: false, reason: 'unreachable', message: 'the socket closed before it opened' }));
      } else {
        this.closed(code, reason.toString());
      }
      this.socket = undefined;
      for (const done of this.onEnded.splice(0)) done();
    });
  }

  /** Ends an attempt: its `close` event resolves the connect. The first reason is kept. */
  private giveUp(failure: SocketFailure): void {
    this.failure ??= failure;
    this.socket?.terminate();
  }

  /** Ends an open connection at once, without a closing handshake. */
  private drop(reason: EndReason, message: string): void {
    this.state = 'closing';
    this.ending ??= { reason, message };
    this.socket?.terminate();
  }

  private opened(): void {
    const initial = this.plan?.initial ?? [];
    this.plan = undefined;
    this.state = 'open';
    const now = Date.now();
    this.stats.openedAt = now;
    this.stats.lastFrameAt = now;
    this.stats.lastMessageAt = now;
    if (!this.paused) this.stats.listeningSince = now;
    this.call(() => this.options.onOpen?.());
    if (initial.length > 0) this.deliver(initial, now);
    this.socket?.switchRooms(this.roomId);
    if (this.paused) this.pause();
  }

  private failed(error: Error): void {
    if (this.stats.openedAt === 0) {
      const isNetwork = 'code' in error && !String(error.code).startsWith('WS_ERR') && !String(error.code).startsWith('HPE_');
      this.failure ??= { ok: false, reason: isNetwork ? 'unreachable' : 'protocol', message: error.message };
      return;
    }
    this.ending ??= { reason: 'protocol', message: error.message };
  }

  private closed(code: number, closeReason: string): void {
    this.state = 'ended';
    const { reason, message } = this.ending ?? {
      reason: code === 1008 ? ('refused' as const) : ('disconnect' as const),
      message: closeReason === '' ? 'the server ended the connection' : `the server ended the connection: ${closeReason}`,
    };
    const { since } = this.unread;
    const unreadSince = since === undefined ? {} : { unreadSince: since };
    this.call(() => this.options.onClose({ reason, code, message, durationMs: Date.now() - this.stats.openedAt, ...unreadSince }));
  }

  private receive(bytes: Buffer): void {
    if (this.state !== 'open') return;
    const now = Date.now();
    this.stats.frames += 1;
    this.stats.bytes += bytes.length;
    this.stats.lastFrameAt = now;
    const frame = readFrame(bytes, this.limits);
    if (frame.kind === 'result') {
      this.unread.read();
      if (frame.result.needAck) this.acknowledge(frame.logId, frame.result);
      if (frame.result.messages.length > 0) this.deliver(frame.result.messages, now);
    } else if (frame.kind === 'other') {
      this.stats.otherFrames += 1;
      if (frame.payloadType === 'im_enter_room_resp') this.stats.entered = true;
    } else {
      this.stats.badFrames += 1;
      if (this.stats.badFrames === 1)
        this.options.logger.warn(
          { ...this.who(), bytes: bytes.length, problem: frame.problem },
          'a frame could not be read; it is skipped, further ones are counted only',
        );
      if (this.unread.unread(this.stats.lastMessageAt)) this.drop('unreadable', `too many frames could not be read: ${frame.problem}`);
    }
  }

  private acknowledge(logId: string, { internalExt }: FetchResult): void {
    const socket = this.socket;
    if (socket === undefined) return;
    if (socket.acknowledge(logId, internalExt)) this.stats.acks += 1;
    else this.stats.acksSkipped += 1;
    if (socket.bufferedAmount > this.limits.unsentBytesMax) this.drop('protocol', 'the server no longer reads what it is sent');
  }

  private deliver(messages: WireMessage[], now: number): void {
    this.stats.messages += messages.length;
    this.stats.lastMessageAt = now;
    this.call(() => this.options.onMessages(messages, now));
  }

  /** A throw in a caller's callback must not tear down the process that holds the other sessions. */
  private call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      if (!this.callbackFailed) this.options.logger.error({ ...this.who(), err: error }, 'a callback of a session threw; this is a bug');
      this.callbackFailed = true;
    }
  }

  private who(): { uniqueId: string; roomId: string } {
    return { uniqueId: this.options.uniqueId, roomId: this.roomId };
  }
}
