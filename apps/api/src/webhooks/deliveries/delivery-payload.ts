import { type Endpoint, filterOf } from '../../delivery/endpoint/endpoint.js';
import { bodyOf } from '../../delivery/request/attempt.js';
import { BATCH_CONTENT_TYPE, CONTENT_TYPE } from '../../delivery/request/content-types.js';
import type { OutboundEventReader } from '../../delivery/request/outbound-events.js';
import { testOf } from '../../filter/filter.js';
import type { DeliveryRow } from './delivery-store.js';

/** The body of a delivery, as its next attempt would send it, or its last one did. */
export interface Payload {
  contentType: string;
  bytes: number;
  /** The text that is signed. */
  body: string;
}

/** Payloads of the first of some deliveries. */
export interface Payloads {
  /** By delivery id. One is missing where there is none. */
  byId: Map<string, Payload>;
  /** How many of the deliveries were looked at; at least one. */
  deliveries: number;
}

/** Bytes of payloads after which an answer ends; the last one may go beyond. */
export const PAYLOAD_BYTES_MAX = 4_194_304;
/** Deliveries whose events are read in one query. */
const READ_MAX = 10;

/**
 * The payloads of the first of these deliveries, until they take {@link PAYLOAD_BYTES_MAX}. One is missing where there is none any more: tests
 * are not stored, and erased events are gone. Of a delivery without an attempt the endpoint's filter and form decide, as they will when it is sent.
 * @param allowedCreators internal ids of the creators whose events may be seen; missing: all. A delivery with another event has no payload
 */
export async function payloadsOf(
  reader: Pick<OutboundEventReader, 'ofDeliveries'>,
  endpoint: Endpoint,
  rows: readonly DeliveryRow[],
  generation: number,
  allowedCreators?: readonly string[],
): Promise<Payloads> {
  const wants = testOf(filterOf(endpoint));
  const visible = allowedCreators && new Set(allowedCreators);
  const byId = new Map<string, Payload>();
  let bytes = 0;
  for (let i = 0; i < rows.length; i += READ_MAX) {
    const part = rows.slice(i, i + READ_MAX);
    const stored = part.filter(({ test }) => !test);
    const loaded = await reader.ofDeliveries(
      stored.map(({ id, seqs, planned }) => ({ endpointId: endpoint.id, id, generation, ...(planned ? { seqs } : {}) })),
    );
    for (const [j, row] of part.entries()) {
      if (bytes >= PAYLOAD_BYTES_MAX) return { byId, deliveries: i + j };
      const found = loaded.get(row.id);
      const events = found?.events.filter(({ event }) => !row.planned || wants(event)) ?? [];
      if (events.length === 0 || (visible && !events.every(({ event }) => visible.has(event.creatorId)))) continue;
      const batch = found?.batch ?? (endpoint.batch !== undefined || events.length > 1);
      const body = bodyOf(events, batch);
      bytes += body.length;
      byId.set(row.id, { contentType: batch ? BATCH_CONTENT_TYPE : CONTENT_TYPE, bytes: body.length, body: body.toString() });
    }
  }
  return { byId, deliveries: rows.length };
}
