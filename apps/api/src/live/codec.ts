import type { IncomingHttpHeaders } from 'node:http';
import type { Envelope, StoredEvent } from '@tributary/events';
import { envelopeOf } from '../events/envelopes.js';
import type { GenerationStart } from '../store/writer/generations.js';

/**
 * Why the server ends a live stream, by reason. `code` tells a client what to do, by its range: 4000 to 4099 stop, 4100 to 4199
 * connect again at once, 4200 to 4299 connect again later, 4300 to 4399 ask anew whether the position can be honoured.
 */
export const STREAM_ENDS = {
  until: { code: 4000, message: 'everything before `until` was sent' },
  revoked: { code: 4001, message: 'the key is no longer in force: it was revoked, or has expired' },
  shutdown: { code: 4100, message: 'this process stops; read on from the last id' },
  slow: { code: 4200, message: 'the client did not keep up; read on from the last id' },
  restored: { code: 4300, message: 'the database was restored from a backup; ask again whether the last id can be honoured' },
} as const;

export type StreamEnd = keyof typeof STREAM_ENDS;

/** The first message: where the subscription starts. */
export interface Hello {
  kind: 'hello';
  /** Cursor: the events after it follow. */
  position: string;
  /** What the client asked to start at. */
  from: 'head' | 'since' | 'cursor';
  /** false: the cursor cannot be honoured, and events between it and `position` are not sent. */
  recovered: boolean;
  /** Cursor of the newest event. */
  head: string;
  /** Why it is not recovered. */
  reason?: 'restored' | 'expired';
}

/** The last message, where the server ends the subscription. */
export interface Closed {
  kind: 'closed';
  reason: StreamEnd;
  /** Its range says what the client does next; a WebSocket closes with it. */
  code: number;
  message: string;
  /** Cursor to go on from. */
  position: string;
}

/** What a subscription sends to its reader, in this order: hello, any number of the others, closed. */
export type LiveMessage =
  | Hello
  | { kind: 'event'; envelope: Envelope }
  /** Everything up to this cursor was looked at, and nothing matched since the last event. */
  | { kind: 'position'; position: string }
  /** The connection is alive. */
  | { kind: 'heartbeat' }
  | Closed;

/** How messages are written on a connection. It has no state. */
export interface LiveCodec {
  /** One message as text. A connection sends the texts in order: a stream joins them, a socket sends each as one message. */
  encode(message: LiveMessage): string;
}

/** A codec for a body of HTTP that does not end. GET /v1/stream serves each one in the folder codecs/. */
export interface HttpLiveCodec extends LiveCodec {
  /** Media type of the answer, without parameters. A client asks for it in `Accept`. */
  readonly mediaType: string;
  /** What the body holds, for the API's description. */
  readonly description: string;
  /** The position that a client of this codec sends by itself when it comes back, and the header that it is in. */
  resumesAt(headers: IncomingHttpHeaders): GivenPosition | undefined;
}

/** A position as a client sent it. */
export interface GivenPosition {
  /** Where it was given: errors name it. */
  field: string;
  text: string;
}

/** Writes messages with a codec. An event is written as text once, for all subscriptions that share the encoder. */
export class LiveEncoder {
  private readonly texts = new WeakMap<StoredEvent, string>();

  constructor(private readonly codec: LiveCodec) {}

  encode(message: LiveMessage): string {
    return this.codec.encode(message);
  }

  /** @param read the generation in which the event was read */
  event(event: StoredEvent, history: readonly GenerationStart[], read: number): string {
    const known = this.texts.get(event);
    if (known !== undefined) return known;
    const text = this.codec.encode({ kind: 'event', envelope: envelopeOf(event, history, read) });
    this.texts.set(event, text);
    return text;
  }
}
