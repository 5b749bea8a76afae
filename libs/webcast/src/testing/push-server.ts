import type { IncomingMessage, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ProtoMessageFetchResult, WebcastPushFrame } from 'tiktok-live-proto/v3';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ConnectionEnd } from '../connection/connection-outcome.js';
import { RoomConnection, type RoomConnectionOptions } from '../connection/room-connection.js';
import type { WireMessage } from '../frame/wire-message.js';

export const ROOM = '7540589352666090247';
export const USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
export const never = new AbortController().signal;
const empty = ProtoMessageFetchResult.decode(new Uint8Array(0));

/** Messages with these ids. */
export const messages = (...ids: number[]) => ids.map((id) => message(id, Buffer.from(`m${id}`)));

export const message = (id: number, payload: Buffer) => ({
  method: 'WebcastChatMessage',
  msgId: String(id),
  payload,
  msgType: 0,
  offset: '0',
  isHistory: false,
  sampleFlag: 0,
});

export const result = (overrides: Partial<ProtoMessageFetchResult>) =>
  Buffer.from(ProtoMessageFetchResult.encode({ ...empty, ...overrides }).finish());

export const frame = (payload: Uint8Array, overrides: Partial<WebcastPushFrame> = {}) =>
  Buffer.from(
    WebcastPushFrame.encode({
      seqId: '1',
      logId: '77',
      service: '0',
      method: '0',
      headers: [],
      payloadEncoding: 'pb',
      payloadType: 'msg',
      payload: Buffer.from(payload),
      ...overrides,
    }).finish(),
  );

/** The server's side of one connection. */
export interface Peer {
  socket: WebSocket;
  request: IncomingMessage;
  received: WebcastPushFrame[];
}

/** A push server that sends exactly the bytes a test gives it, with sessions that connect to it. */
export class PushServer {
  readonly peers: Peer[] = [];
  readonly sessions: RoomConnection[] = [];
  private readonly http: Server = createServer();
  private readonly sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

  async start(): Promise<this> {
    this.http.on('upgrade', (request, socket, head) => {
      this.sockets.handleUpgrade(request, socket, head, (client) => {
        const peer: Peer = { socket: client, request, received: [] };
        client.on('message', (bytes: Buffer) => peer.received.push(WebcastPushFrame.decode(bytes)));
        client.on('error', () => undefined);
        this.peers.push(peer);
      });
    });
    await new Promise<void>((resolve) => this.http.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    await Promise.all(this.sessions.map((session) => session.close()));
    for (const { socket } of this.peers) socket.terminate();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  get host(): string {
    return `127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `ws://${this.host}/webcast/im/`;
  }

  /** Answers every upgrade with `head`, then with `drip` every 10 ms, and leaves the socket open. */
  answerWith(head: string, drip?: string): void {
    this.http.removeAllListeners('upgrade');
    this.http.on('upgrade', (_request, socket) => {
      const timer = drip === undefined ? undefined : setInterval(() => socket.write(drip), 10);
      socket.on('close', () => clearInterval(timer));
      socket.on('end', () => socket.destroy()).on('error', () => undefined);
      socket.resume().write(head);
    });
  }

  /** A session for a bundle of this server, with what it delivered and said. */
  make(overrides: Partial<RoomConnectionOptions> = {}, bundled: Partial<ProtoMessageFetchResult> = {}) {
    const seen: string[] = [];
    const ends: ConnectionEnd[] = [];
    const logged: { level: string; message: string; fields: object }[] = [];
    const log = (level: string) => (fields: object, text: string) => void logged.push({ level, message: text, fields });
    const session = new RoomConnection({
      bundle: {
        fetchResult: result({ cursor: 'c1', internalExt: 'ext', pushServer: this.url, ...bundled }),
        cookies: 'ttwid=abc; tt-target-idc=x',
        roomId: ROOM,
        userAgent: USER_AGENT,
        provider: 'test',
      },
      uniqueId: 'name',
      logger: { warn: log('warn'), error: log('error') },
      allowedHosts: [this.host],
      onMessages: (batch: WireMessage[]) => void seen.push(...batch.map(({ msgId }) => msgId)),
      onClose: (end) => void ends.push(end),
      ...overrides,
    });
    this.sessions.push(session);
    return { session, seen, ends, logged };
  }

  /** A connected session and the server's side of it. */
  async open(overrides: Partial<RoomConnectionOptions> = {}, bundled: Partial<ProtoMessageFetchResult> = {}) {
    const made = this.make(overrides, bundled);
    const before = this.peers.length;
    const connected = await made.session.connect(never);
    if (!connected.ok) throw new Error(`${connected.reason}: ${connected.message}`);
    const peer = this.peers[before];
    if (!peer) throw new Error('the server has seen no connection');
    return { ...made, peer };
  }

  /** Sockets that are still open on this side. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) => this.http.getConnections((error, count) => (error ? reject(error) : resolve(count))));
  }
}
