import { type EventFilter, limitedTo } from '../../filter/filter.js';
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
  /** Which events it wants. */
  filter: EventFilter;
  ordered: boolean;
  /** Requests that may be on the wire at once; an ordered endpoint has one. */
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
  allowedCreators?: readonly string[];
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

/** What is stored encrypted. */
export interface SealedPart {
  secrets: SecretPair[];
  headers: Record<string, string>;
}

/** Which events an endpoint gets: those that it wants, of creators that its owner may see. */
export function filterOf({ filter, owner }: Pick<Endpoint, 'filter' | 'owner'>): EventFilter {
  return limitedTo(filter, owner.allowedCreators);
}
