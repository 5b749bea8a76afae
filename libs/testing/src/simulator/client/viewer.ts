import { gunzipSync } from 'node:zlib';
import { HeartBeatMessage, ProtoMessageFetchResult, WebcastImEnterRoomMessage, WebcastPushFrame } from 'tiktok-live-proto/v3';
import { WebSocket } from 'ws';
import type { Simulator } from '../simulator.js';

/** A browser for the simulator's tests: a session cookie, and requests signed by the page's SDK. */
export class Viewer {
  private constructor(
    readonly url: string,
    readonly userAgent: string,
    readonly cookie: string,
  ) {}

  /** Takes a session from the front page. */
  static async open(url: string, userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/129.0.0.0'): Promise<Viewer> {
    const response = await fetch(url, { headers: { 'user-agent': userAgent } });
    await response.arrayBuffer();
    const cookie = response.headers.getSetCookie()[0]?.split(';', 1)[0];
    if (!cookie) throw new Error('the front page set no cookie');
    return new Viewer(url, userAgent, cookie);
  }

  /** Has an address signed through the control API. */
  async sign(path: string): Promise<string> {
    const response = await fetch(`${this.url}/sim/sign`, {
      method: 'POST',
      body: JSON.stringify({ url: `https://webcast.tiktok.com${path}`, userAgent: this.userAgent }),
    });
    const { signedUrl } = (await response.json()) as { signedUrl: string };
    return signedUrl.replace('https://webcast.tiktok.com', this.url);
  }

  /** GETs a path or URL with this session. */
  get(target: string): Promise<Response> {
    const headers = { 'user-agent': this.userAgent, cookie: this.cookie };
    return fetch(new URL(target, this.url), { headers });
  }

  /** The connect bundle of a room. */
  async bundle(roomId: string): Promise<Buffer> {
    const response = await this.get(await this.sign(`/webcast/im/fetch/?aid=1988&room_id=${roomId}`));
    return Buffer.from(await response.arrayBuffer());
  }

  /** Opens the push socket of a room, by way of a bundle or anonymously. */
  async watch(roomId: string, options: WatchOptions = {}): Promise<Watcher> {
    const query: Record<string, string> = { aid: '1988', compress: 'gzip', room_id: roomId };
    let base = `${this.url.replace('http', 'ws')}/webcast/im/ws_proxy/ws_reuse_supplement/`;
    if (options.anonymous) query['ws_direct'] = '1';
    else {
      const bundle = ProtoMessageFetchResult.decode(await this.bundle(roomId));
      Object.assign(query, bundle.routeParams, { cursor: bundle.cursor, internal_ext: bundle.internalExt });
      base = bundle.pushServer;
    }
    Object.assign(query, options.override);
    if (options.path) base = `${this.url.replace('http', 'ws')}${options.path}`;
    const socket = new WebSocket(`${base}?${new URLSearchParams(query).toString()}`, {
      headers: { cookie: options.cookie ?? this.cookie, 'user-agent': this.userAgent },
    });
    return new Watcher(socket, options.ack ?? true);
  }
}

/** What a {@link Watcher} does beside reading. */
export interface WatchOptions {
  /** Connect with `ws_direct=1` instead of a bundle. */
  anonymous?: boolean;
  /** Acknowledge frames, as clients do (default). */
  ack?: boolean;
  /** Parameters that replace the right ones. */
  override?: Record<string, string>;
  path?: string;
  cookie?: string;
}

/** One open push socket that decodes with the published schema. */
export class Watcher {
  readonly frames: { seqId: string; logId: string; bytes: number; msgIds: string[]; methods: string[] }[] = [];
  readonly types = new Set<string>();
  undecodable = 0;
  opened = false;
  closed = false;
  /** `status Handshake-Msg` of a refused upgrade. */
  refused: string | undefined;

  constructor(
    readonly socket: WebSocket,
    private readonly ack: boolean,
  ) {
    socket.on('open', () => (this.opened = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => (this.closed = true));
    socket.on('unexpected-response', (_request, response) => {
      this.refused = `${response.statusCode} ${String(response.headers['handshake-msg'] ?? '')}`.trim();
      response.resume();
    });
    socket.on('message', (data: Buffer) => {
      try {
        this.take(data);
      } catch {
        this.undecodable++;
      }
    });
  }

  get msgIds(): string[] {
    return this.frames.flatMap((frame) => frame.msgIds);
  }

  /** Sends a push frame of the given type. */
  send(payloadType: string, payload: Uint8Array, logId = '0'): void {
    const frame = {
      seqId: '0',
      logId,
      service: '0',
      method: '0',
      headers: [],
      payloadEncoding: 'pb',
      payloadType,
      payload: Buffer.from(payload),
    };
    this.socket.send(WebcastPushFrame.encode(frame).finish());
  }

  heartbeat(roomId: string): void {
    this.send('hb', HeartBeatMessage.encode({ roomId, sendPacketSeqId: '1' }).finish());
  }

  enter(roomId: string): void {
    const message = {
      roomId,
      roomTag: '',
      liveRegion: '',
      liveId: '12',
      identity: 'audience',
      cursor: '',
      accountType: '0',
      enterUniqueId: '1',
      filterWelcomeMsg: '0',
      isAnchorContinueKeepMsg: false,
    };
    this.send('im_enter_room', WebcastImEnterRoomMessage.encode(message).finish());
  }

  private take(data: Buffer): void {
    const frame = WebcastPushFrame.decode(data);
    this.types.add(frame.payloadType);
    if (frame.payloadType !== 'msg') return;
    const body = frame.payload[0] === 0x1f ? gunzipSync(frame.payload) : frame.payload;
    const batch = ProtoMessageFetchResult.decode(body);
    if (batch.messages.length === 0) throw new Error('no messages');
    this.frames.push({
      seqId: frame.seqId,
      logId: frame.logId,
      bytes: data.length,
      msgIds: batch.messages.map((message) => message.msgId),
      methods: batch.messages.map((message) => message.method),
    });
    if (this.ack && batch.needAck) this.send('ack', Buffer.from(batch.internalExt), frame.logId);
  }
}

/** Calls the control API of a simulator. Throws with its message when it refuses. */
export async function control<T>(simulator: Simulator, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${simulator.url}${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return (
    path.includes('/ledger')
      ? text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as unknown)
      : JSON.parse(text)
  ) as T;
}
