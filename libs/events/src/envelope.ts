/**
 * An event as its producer makes it: it has no position yet. Times are ms since 1970.
 * `time` is TikTok's (createTime, else the seconds inside the message id); `receivedAt` is the worker's clock.
 */
export interface EventDraft {
  /** `roomId-msgId`, `roomId-h<16 hex>` where there is no msgId, `creatorId-fence-n` for monitor events. */
  id: string;
  type: string;
  /** The creator's stable internal id. */
  creatorId: string;
  /** The creator's handle at that time. */
  handle: string;
  roomId: string;
  time: number;
  receivedAt: number;
  /** Data of this type's shape in the catalog. Always an object. */
  data: object;
  /** The message's protobuf, where storage of raw bytes is on. */
  raw?: Uint8Array;
}

/** What a stored event has beyond the draft: its number in the log. */
export interface StoredEvent extends EventDraft {
  seq: number;
}

/** CloudEvents 1.0 JSON, as every consumer sees an event. */
export interface Envelope {
  specversion: '1.0';
  id: string;
  source: string;
  type: string;
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  creator: string;
  roomid: string;
  receivedat: string;
  /** Opaque cursor: ask for what comes after it. */
  position: string;
  data: object;
  /** Base64 of the protobuf, only where it was asked for and stored. */
  raw?: string;
}

/** The event's source as a URI reference: a room, a creator without a room, or a webhook endpoint. */
function sourceOf({ type, creatorId, handle, roomId }: Pick<StoredEvent, 'type' | 'creatorId' | 'handle' | 'roomId'>): string {
  if (type === 'monitor.webhook') return `/tributary/webhooks/${creatorId}`;
  // The handle of a creator that is no longer monitored is not known.
  const creator = `/tiktok/creators/${handle === '' ? creatorId : handle}`;
  return roomId === '' ? creator : `${creator}/rooms/${roomId}`;
}

/** Turns a stored event into what consumers see. `position` is its encoded cursor. */
export function toEnvelope(event: StoredEvent, position: string): Envelope {
  return {
    specversion: '1.0',
    id: event.id,
    source: sourceOf(event),
    type: event.type,
    subject: event.creatorId,
    time: new Date(event.time).toISOString(),
    datacontenttype: 'application/json',
    creator: event.handle,
    roomid: event.roomId,
    receivedat: new Date(event.receivedAt).toISOString(),
    position,
    data: event.data,
    ...(event.raw ? { raw: Buffer.from(event.raw).toString('base64') } : {}),
  };
}

/** Writes the JSON of {@link toEnvelope} for data that is JSON already. The part that events of one type and room share is encoded once. */
export class EnvelopeWriter {
  private last: Pick<StoredEvent, 'type' | 'creatorId' | 'handle' | 'roomId'> = { type: '', creatorId: '', handle: '', roomId: '' };
  private beforeTime = '';
  private beforeReceived = '';

  write(event: Omit<StoredEvent, 'data' | 'raw'>, data: string, position: string): string {
    this.share(event);
    const time = new Date(event.time).toISOString();
    const receivedAt = event.receivedAt === event.time ? time : new Date(event.receivedAt).toISOString();
    return (
      `{"specversion":"1.0","id":${JSON.stringify(event.id)},${this.beforeTime}"time":"${time}",${this.beforeReceived}` +
      `"receivedat":"${receivedAt}","position":"${position}","data":${data}}`
    );
  }

  private share({ type, creatorId, handle, roomId }: Omit<StoredEvent, 'data' | 'raw'>): void {
    const { last } = this;
    if (last.type === type && last.creatorId === creatorId && last.handle === handle && last.roomId === roomId) return;
    this.last = { type, creatorId, handle, roomId };
    const { source, subject, datacontenttype, creator, roomid } = toEnvelope(
      { ...this.last, seq: 0, id: '', time: 0, receivedAt: 0, data: {} },
      '',
    );
    const members = (part: object) => `${JSON.stringify(part).slice(1, -1)},`;
    this.beforeTime = members({ source, type, subject });
    this.beforeReceived = members({ datacontenttype, creator, roomid });
  }
}
