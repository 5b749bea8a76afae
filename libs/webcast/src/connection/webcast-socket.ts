import type { Socket } from 'node:net';
import { type WebcastWebSocketConfig, WebcastWebSocketClient } from 'tiktok-live-connector';
import type { ClientOptions, WebSocket } from 'ws';
import { ackMessage } from './ack-message.js';
import { type ProxyRoute, TunnelAgent } from '../proxy/proxy.js';

/** Transport settings of one socket. */
export interface SocketOptions {
  /** Bytes of one frame as it arrives; a larger one ends the connection with code 1009. */
  frameBytesMax: number;
  /** How long a closing handshake may take before the socket is destroyed, in ms. */
  closeTimeoutMs: number;
  /** The proxy to connect through, if any. */
  proxy?: ProxyRoute;
}

const NOTHING = Promise.resolve();

/**
 * The client library's WebSocket with its asynchronous decoding replaced: every frame goes to `onFrame` in the same
 * turn in which it arrived. Room entry, heartbeats and their bytes are the library's own.
 */
class WebcastSocket extends WebcastWebSocketClient {
  /** The TCP or TLS socket below. Compression is off, so whole messages are written to it directly. */
  private wire: Socket | undefined;

  constructor(
    config: WebcastWebSocketConfig,
    { frameBytesMax, closeTimeoutMs, proxy }: SocketOptions,
    private readonly onFrame: (bytes: Buffer) => void,
  ) {
    const transport: ClientOptions & { closeTimeout: number } = {
      maxPayload: frameBytesMax,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      closeTimeout: closeTimeoutMs,
      agent: proxy === undefined ? undefined : new TunnelAgent(proxy, config.baseUrl.startsWith('wss:')),
    };
    super(config, transport);
    // The library keeps a deep copy of the whole configuration for each socket; only these fields are read again.
    const { roomId, DEFAULT_WS_PING_INTERVAL } = config;
    this.webcastWsConfig = { roomId, DEFAULT_WS_PING_INTERVAL } as WebcastWebSocketConfig;
    (this as unknown as WebSocket).once('upgrade', ({ socket }) => (this.wire = socket));
  }

  /** Acknowledges a frame as the library does, without its line on the console. False when it could not be sent. */
  acknowledge(logId: string, internalExt: string): boolean {
    if (logId === '' || internalExt === '' || !this.wire || !this.open) return false;
    this.wire.write(ackMessage(logId, internalExt));
    return true;
  }

  protected override onMessage(bytes: Buffer): Promise<void> {
    this.onFrame(bytes);
    return NOTHING;
  }
}

/** A socket with what it inherits from `ws`: the library's typings lose that base under node module resolution. */
export type RoomSocket = WebcastSocket & WebSocket;

/**
 * Begins to connect.
 * @throws Error when the address or a header cannot be sent at all.
 */
export function openSocket(config: WebcastWebSocketConfig, options: SocketOptions, onFrame: (bytes: Buffer) => void): RoomSocket {
  return new WebcastSocket(config, options, onFrame) as RoomSocket;
}
