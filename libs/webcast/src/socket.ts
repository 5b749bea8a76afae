import type { Agent } from 'node:http';
import { type WebcastWebSocketConfig, WebcastWebSocketClient } from 'tiktok-live-connector';
import { WebcastPushFrame } from 'tiktok-live-proto/v3';
import type { ClientOptions, WebSocket } from 'ws';

/** Transport settings of one socket. */
export interface SocketOptions {
  /** Bytes of one frame as it arrives; a larger one ends the connection with code 1009. */
  frameBytesMax: number;
  /** How long a closing handshake may take before the socket is destroyed, in ms. */
  closeTimeoutMs: number;
  /** A proxy. */
  agent?: Agent;
}

const NOTHING = Promise.resolve();
const ACK = { seqId: '0', service: '0', method: '0', headers: [], payloadEncoding: 'pb', payloadType: 'ack' };

/**
 * The client library's WebSocket with its asynchronous decoding replaced: every frame goes to `onFrame` in the same
 * turn in which it arrived. Room entry, heartbeats and their bytes are the library's own.
 */
class WebcastSocket extends WebcastWebSocketClient {
  constructor(
    config: WebcastWebSocketConfig,
    { frameBytesMax, closeTimeoutMs, agent }: SocketOptions,
    private readonly onFrame: (bytes: Buffer) => void,
  ) {
    const transport: ClientOptions & { closeTimeout: number } = {
      maxPayload: frameBytesMax,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      closeTimeout: closeTimeoutMs,
      agent,
    };
    super(config, transport);
    // The library keeps a deep copy of the whole configuration for each socket; only these fields are read again.
    const { roomId, DEFAULT_WS_PING_INTERVAL } = config;
    this.webcastWsConfig = { roomId, DEFAULT_WS_PING_INTERVAL } as WebcastWebSocketConfig;
  }

  /** Answers a frame that wants it, as the library does, without its line on the console. False when it could not be sent. */
  acknowledge(logId: string, internalExt: string): boolean {
    if (logId === '' || internalExt === '') return false;
    return this.sendBytes(WebcastPushFrame.encode({ ...ACK, logId, payload: Buffer.from(internalExt) }).finish());
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
