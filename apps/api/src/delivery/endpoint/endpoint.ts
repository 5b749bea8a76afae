import { matchesType } from '@tributary/events';
import type { EventFilter } from '../../store/filter.js';
import type { SecretPair, SignatureScheme } from '../request/signature.js';

/** How many events one delivery carries. */
export interface Batch {
  maxEvents: number;
  /** The longest an event waits for others, in ms. */
  maxWaitMs: number;
}

/** What the owner of an endpoint decides. */
export interface EndpointSettings {
  url: string;
  description: string;
  metadata: Record<string, string>;
  /** Internal ids; missing: every creator. */
  creatorIds?: string[];
  /** Types or patterns; missing: every type. */
  types?: string[];
  ordered: boolean;
  /** Deliveries that are planned and not finished; of an ordered endpoint one of them is on the wire. */
  maxInFlight: number;
  /** Missing: one event per delivery. */
  batch?: Batch;
  /** Deliveries a second; missing: no limit. */
  ratePerSecond?: number;
  timeoutMs: number;
  signatures: SignatureScheme[];
  headers: Record<string, string>;
}

export type EndpointState = 'enabled' | 'paused' | 'disabled';

/** Why an endpoint was disabled by the system. */
export type DisabledReason = 'gone' | 'failing';

export interface Endpoint extends EndpointSettings {
  id: string;
  keyId: string;
  secrets: SecretPair[];
  state: EndpointState;
  reason: string | null;
  stateSince: Date;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** What is stored encrypted. */
export interface SealedPart {
  secrets: SecretPair[];
  headers: Record<string, string>;
}

/** Which events an endpoint wants. */
export function filterOf({ creatorIds, types }: Pick<EndpointSettings, 'creatorIds' | 'types'>): EventFilter {
  return { ...(creatorIds ? { creatorIds } : {}), ...(types ? { types } : {}) };
}

/** A test of events against an endpoint's filter, as quick for many creators as for one. */
export function eventTest({
  creatorIds,
  types,
}: Pick<EndpointSettings, 'creatorIds' | 'types'>): (event: { creatorId: string; type: string }) => boolean {
  const creators = creatorIds && new Set(creatorIds);
  return (event) => (!creators || creators.has(event.creatorId)) && (!types || matchesType(types, event.type));
}
