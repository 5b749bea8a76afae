import { readRestriction, type SecretBox } from '@tributary/runtime';
import { readStoredFilter } from '../../filter/filter.js';
import { KEY_IN_FORCE } from '../../access/stored-keys.js';
import type { Endpoint, EndpointSettings, Owner, SealedPart } from './endpoint.js';
import type { SignatureScheme } from '../request/signature.js';

/** An endpoint as PostgreSQL has it. */
export interface EndpointRow {
  id: string;
  keyId: string | null;
  /** Null where there is no such key (any more). */
  ownerKey: { restriction: unknown; until: number | null } | null;
  url: string;
  description: string;
  metadata: Record<string, string>;
  filter: Record<string, unknown>;
  ordered: boolean;
  maxInFlight: number;
  batchEventsMax: number | null;
  batchWaitMs: number | null;
  ratePerSecond: number | null;
  timeoutMs: number;
  signatures: SignatureScheme[];
  sealed: Buffer;
  state: Endpoint['state'];
  reason: string | null;
  stateSince: Date;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** Whether the key that owns an endpoint is revoked, has expired, or is not there. Needs `webhook_endpoints` under the alias `e`. */
export const OWNER_LAPSED = `(e.key_id is not null and not exists (select from api_keys k where k.id = e.key_id and ${KEY_IN_FORCE}))`;

/** Needs `webhook_endpoints` under the alias `e`. */
export const ENDPOINT_COLUMNS = `e.id, e.key_id as "keyId",
  (select json_build_object('restriction', k.restriction, 'until',
     case when k.revoked_at is not null then 0 else (extract(epoch from k.expires_at) * 1000)::float8 end)
   from api_keys k where k.id = e.key_id) as "ownerKey", e.url, e.description, e.metadata, e.filter, e.ordered,
  e.max_in_flight as "maxInFlight", e.batch_events_max as "batchEventsMax", e.batch_wait_ms as "batchWaitMs", e.rate_per_second as "ratePerSecond",
  e.timeout_ms as "timeoutMs", e.signatures, e.sealed, e.state, e.reason, e.state_since as "stateSince", e.version::float8 as version,
  e.created_at as "createdAt", e.updated_at as "updatedAt"`;

/** @throws Error when the secrets do not open, which the check of the key at start rules out, or a later version wrote the filter. */
export function toEndpoint(row: EndpointRow, box: SecretBox): Endpoint {
  const { keyId, ownerKey, filter, batchEventsMax, batchWaitMs, ratePerSecond, sealed, ...same } = row;
  const text = box.open(sealed, row.id);
  if (text === undefined) throw new Error(`the secrets of webhook endpoint ${row.id} do not open with WEBHOOK_SECRET_KEY`);
  return {
    ...same,
    ...(JSON.parse(text) as SealedPart),
    owner: ownerOf(keyId, ownerKey),
    filter: readStoredFilter(filter),
    ...(batchEventsMax === null ? {} : { batch: { maxEvents: batchEventsMax, maxWaitMs: batchWaitMs ?? 0 } }),
    ...(ratePerSecond === null ? {} : { ratePerSecond }),
  };
}

function ownerOf(keyId: string | null, key: EndpointRow['ownerKey']): Owner {
  if (keyId === null) return { keyId };
  const restriction = key?.restriction ? readRestriction(key.restriction) : undefined;
  // What it may read is unknown: nothing, then.
  if (!key || restriction === 'malformed') return { keyId, allowedCreators: [], until: 0 };
  return { keyId, ...(restriction ? { allowedCreators: restriction.creators } : {}), ...(key.until === null ? {} : { until: key.until }) };
}

/** The columns of an endpoint's settings, by name, secrets encrypted. */
export function settingColumns(id: string, settings: EndpointSettings, part: SealedPart, box: SecretBox): Record<string, unknown> {
  return {
    url: settings.url,
    description: settings.description,
    metadata: JSON.stringify(settings.metadata),
    filter: JSON.stringify(settings.filter),
    ordered: settings.ordered,
    max_in_flight: settings.maxInFlight,
    batch_events_max: settings.batch?.maxEvents ?? null,
    batch_wait_ms: settings.batch?.maxWaitMs ?? null,
    rate_per_second: settings.ratePerSecond ?? null,
    timeout_ms: settings.timeoutMs,
    signatures: settings.signatures,
    sealed: box.seal(JSON.stringify(part), id),
  };
}
