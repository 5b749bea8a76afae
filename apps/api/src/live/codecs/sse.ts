import type { HttpLiveCodec, LiveMessage } from '../codec.js';

/** How long an EventSource waits before it connects again, in ms. */
const RETRY_MS = 2_000;

/** Server-sent events. Every frame but a heartbeat has a position as its `id`, which an EventSource sends when it comes back. */
export const codec: HttpLiveCodec = {
  mediaType: 'text/event-stream',
  description: 'frames of server-sent events; the `data` of a frame named like an event type is an Event',

  resumesAt(headers) {
    const text = headers['last-event-id'];
    return typeof text === 'string' && text !== '' ? { field: 'Last-Event-ID', text } : undefined;
  },

  encode(message: LiveMessage): string {
    switch (message.kind) {
      case 'hello': {
        const { kind, ...data } = message;
        return `retry: ${RETRY_MS}\n${frame(data.position, kind, data)}`;
      }
      case 'event': {
        const { envelope } = message;
        return frame(envelope.position, envelope.type, envelope);
      }
      case 'position':
      case 'closed': {
        const { kind, ...data } = message;
        return frame(data.position, kind, data);
      }
      case 'heartbeat':
        return ': heartbeat\n\n';
    }
  },
};

function frame(id: string, name: string, data: object): string {
  return `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
