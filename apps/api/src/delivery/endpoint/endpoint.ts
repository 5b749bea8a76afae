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
export type DisabledReason = 'gone' | 'failing' | 'owner';

/** Whom an endpoint acts for: it gets no event that its owner may not read. */
export interface Owner {
  /** The key; null: the operator, who may read everything. */
  keyId: string | null;
  /** Internal ids of the creators that the key is limited to; missing: every creator. */
  reach?: readonly string[];
  /** ms since 1970 when its right ends; 0 where it has ended: the key was revoked, or is not there. Missing: never. */
  until?: number;
}

export interface Endpoint extends EndpointSettings {
  id: string;
  owner: Owner;
  secrets: SecretPair[];
  state: EndpointState;
  reason: string | null;
  stateSince: Date;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** Whether the owner may still have events sent. */
export function isEntitled({ until }: Owner, now: number): boolean {
  return until === undefined || now < until;
}

/** What is in both lists, where a missing one holds everything. */
function both(one: string[] | undefined, other: readonly string[] | undefined): string[] | undefined {
  if (!other) return one;
  const wider = new Set(other);
  return one ? one.filter((id) => wider.has(id)) : [...other];
}

/** What is stored encrypted. */
export interface SealedPart {
  secrets: SecretPair[];
  headers: Record<string, string>;
}

/** Which events an endpoint gets: those that it wants, of creators that its owner may see. */
export function filterOf({ creatorIds, types, owner }: Pick<Endpoint, 'creatorIds' | 'types' | 'owner'>): EventFilter {
  const creators = both(creatorIds, owner.reach);
  return { ...(creators ? { creatorIds: creators } : {}), ...(types ? { types } : {}) };
}

/** A test of events against {@link filterOf}, as quick for many creators as for one. */
export function eventTest(
  endpoint: Pick<Endpoint, 'creatorIds' | 'types' | 'owner'>,
): (event: { creatorId: string; type: string }) => boolean {
  const { creatorIds, types } = filterOf(endpoint);
  const creators = creatorIds && new Set(creatorIds);
  return (event) => (!creators || creators.has(event.creatorId)) && (!types || matchesType(types, event.type));
}
