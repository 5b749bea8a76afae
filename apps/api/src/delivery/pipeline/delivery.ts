import { randomBytes } from 'node:crypto';
import type { OutboundEvent } from '../request/outbound-events.js';

/**
 * Where a delivery is on its way:
 * - `planned`: its events are chosen; the planner has not committed it yet, so it may not be sent;
 * - `queued`: committed; it waits for its next attempt;
 * - `sending`: its request is on the wire;
 * - `delivered` (acknowledged), `dead` (all attempts failed), `erased` (none of its events exists any more), `cancelled` (its replay
 *   ended, or its endpoint's filter leaves all of its events out by now): it has ended.
 */
export type DeliveryState = 'planned' | 'queued' | 'sending' | EndState;

/** The states in which a delivery has ended. */
export type EndState = 'delivered' | 'dead' | 'erased' | 'cancelled';

/** One `webhook-id`: some events of the log for one endpoint, from the plan to the last attempt. The same object in every stage. */
export interface Delivery {
  readonly id: string;
  state: DeliveryState;
  /** Attempts made. */
  attempts: number;
  /** ms since 1970. */
  nextAttemptAt: number;
  /** When its first event was received, or when it was planned, ms since 1970: its delay counts from here. */
  readonly since: number;
  /** The generation of the log that its sequence numbers belong to. */
  generation: number;
  /** Its part of a planned batch, until its first attempt is recorded: from then on it has a row of its own, with what was sent. */
  planned?: { readonly seqs: readonly number[]; readonly batch: PlannedBatch };
  /** Whether its body is an array, from its first attempt on: it stays what it was. */
  batch?: boolean;
  /** Its events, kept from the plan to the first attempt; later attempts read them anew, because events can be erased. */
  events?: readonly OutboundEvent[];
}

/** A row of `webhook_planned_batches`: deliveries that were planned in one step of a cursor. */
export interface PlannedBatch {
  /** The id of its first delivery. */
  readonly id: string;
  /** ms since 1970. */
  readonly createdAt: number;
  /** Deliveries of it without a row of their own; the batch is removed when none is left. */
  unrecorded: number;
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
