import { randomBytes } from 'node:crypto';
import { matchesType } from '@tributary/events';
import type { EventFilter } from '../store/filter.js';
import type { SecretPair, SignatureScheme } from './signature.js';

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
  /** Deliveries that are cut and not finished; of an ordered endpoint one of them is on the wire. */
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

/** The verdict of an endpoint's filter on one event, as quick for many creators as for one. */
export function judgeOf({
  creatorIds,
  types,
}: Pick<EndpointSettings, 'creatorIds' | 'types'>): (event: { creatorId: string; type: string }) => boolean {
  const creators = creatorIds && new Set(creatorIds);
  return (event) => (!creators || creators.has(event.creatorId)) && (!types || matchesType(types, event.type));
}

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

function base32(value: number, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest = Math.floor(rest / 32)) text = CROCKFORD[rest % 32]! + text;
  return text;
}

/** Makes ids of deliveries: they sort by time, and by order of making within one process. */
export class DeliveryIds {
  /** Tells apart the processes that make ids in the same millisecond. */
  private readonly tag = base32(randomBytes(4).readUInt32BE(0), 6);
  private head = '';
  private headMs = 0;
  private count = 0;

  next(now = Date.now()): string {
    if (now > this.headMs) {
      this.headMs = now;
      this.head = `dlv_${base32(now, 10)}`;
      this.count = 0;
    }
    return `${this.head}${base32(this.count++, 4)}${this.tag}`;
  }

  /** The smallest id that a delivery made at `ms` or later has. */
  static from(ms: number): string {
    return `dlv_${base32(ms, 10)}`;
  }
}
