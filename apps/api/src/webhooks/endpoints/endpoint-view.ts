import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { encodeCursor } from '@tributary/log';
import { Problem } from '@tributary/runtime';
import { EventFilterView, settingsOf } from '../../filter/filter-parameters.js';
import { PageEnd } from '../../http/paging.js';
import { hiddenValues } from '../../delivery/request/attempt.js';
import type { Endpoint, EndpointState } from '../../delivery/endpoint/endpoint.js';
import { DEAD_COUNTED_MAX, type EndpointStatus, RECENT_MAX } from './endpoint-store.js';
import { COUNT_FRESH_MS, LIST_COUNTED_MAX, type WaitingEvents } from '../waiting-events.js';
import { FAILURE_CATEGORIES, type FailureCategory } from '../../outbound/outcome.js';
import { publicKeyText, sharedSecretText, SIGNATURE_SCHEMES, type SignatureScheme } from '../../delivery/request/signature.js';

const instant = { type: String, format: 'date-time' } as const;
const STATES: EndpointState[] = ['enabled', 'paused', 'disabled'];

class BatchView {
  @ApiProperty({ type: 'integer' })
  maxEvents!: number;
  @ApiProperty({ type: 'integer' })
  maxWaitMs!: number;
}

class RecentView {
  @ApiProperty({ type: 'integer' })
  delivered!: number;
  @ApiProperty({ type: 'integer', description: 'given up, or waiting for another attempt' })
  failed!: number;
  @ApiProperty({
    type: String,
    enum: FAILURE_CATEGORIES,
    nullable: true,
    description: 'why the last of these that failed at least once did; null where none of them has, whatever failed before them',
  })
  lastCategory!: FailureCategory | null;
}

class LastFailureView {
  @ApiProperty({ ...instant, description: 'when that attempt ended' })
  at!: Date;
  @ApiProperty({ type: String, enum: FAILURE_CATEGORIES, nullable: true, description: 'why it failed; null where that was not recorded' })
  category!: FailureCategory | null;
  @ApiProperty({ type: 'integer', nullable: true, description: 'HTTP status; null when no answer came' })
  status!: number | null;
}

class HealthView {
  @ApiProperty({ ...instant, nullable: true, description: 'since when every attempt has failed' })
  failingSince!: Date | null;
  @ApiProperty({ ...instant, nullable: true })
  lastSuccessAt!: Date | null;
  @ApiProperty({ ...instant, nullable: true })
  lastFailureAt!: Date | null;
  @ApiProperty({ type: LastFailureView, nullable: true, description: 'the last attempt that failed, tests aside; null where none has' })
  lastFailure!: LastFailureView | null;
  @ApiProperty({ ...instant, nullable: true, description: 'nothing is sent before: the receiver asked for it' })
  throttledUntil!: Date | null;
  @ApiProperty({ description: `the newest deliveries that had an attempt, up to ${RECENT_MAX}, tests aside` })
  recent!: RecentView;
  @ApiProperty({ type: 'integer', description: `deliveries that were given up; ${DEAD_COUNTED_MAX} stands for that many or more` })
  dead!: number;
}

class LagView {
  @ApiProperty({
    type: 'integer',
    nullable: true,
    description:
      `matching events that are not planned yet, counted up to ${LIST_COUNTED_MAX} in a list; up to ${COUNT_FRESH_MS / 1000} s old there. ` +
      'null where they could not be counted in time',
  })
  events!: number | null;
  @ApiProperty({ description: 'there are more than `events`, or may be' })
  more!: boolean;
  @ApiProperty({ type: 'integer', description: 'events of the log that it has not come to, matching or not' })
  positions!: number;
  @ApiProperty({ type: 'integer', description: 'deliveries that are made and not finished' })
  open!: number;
  @ApiProperty({ type: 'integer', description: 'those of them that have failed and wait for another attempt' })
  retrying!: number;
  @ApiProperty({ ...instant, nullable: true, description: 'when the oldest matching event that it has not got was received' })
  oldestAt!: Date | null;
}

export class EndpointView extends EventFilterView {
  @ApiProperty({ example: 'wh_01kapmz9x8t0v7rwe5' })
  id!: string;
  @ApiProperty({ type: String, nullable: true, description: 'the key that it belongs to; null: the operator' })
  owner!: string | null;
  @ApiProperty({ description: 'where deliveries go' })
  url!: string;
  @ApiProperty({ description: 'what it is for' })
  description!: string;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  metadata!: Record<string, string>;
  @ApiProperty({ description: 'strictly in log order, one request at a time' })
  ordered!: boolean;
  @ApiProperty({ type: 'integer' })
  maxInFlight!: number;
  @ApiProperty({ type: BatchView, nullable: true })
  batch!: BatchView | null;
  @ApiProperty({ type: 'number', nullable: true, description: 'deliveries a second' })
  rateLimit!: number | null;
  @ApiProperty({ type: 'integer' })
  timeoutMs!: number;
  @ApiProperty({ enum: SIGNATURE_SCHEMES, isArray: true })
  signatures!: SignatureScheme[];
  @ApiProperty({ type: [String], description: 'public keys of `v1a`, the newest first; empty without `v1a`' })
  publicKeys!: string[];
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, description: 'values are not shown' })
  headers!: Record<string, string>;
  @ApiProperty({ enum: STATES })
  state!: EndpointState;
  @ApiProperty({
    type: String,
    nullable: true,
    enum: ['gone', 'failing', 'owner'],
    description: 'why it was disabled; `owner`: its key was revoked, or has expired',
  })
  reason!: string | null;
  @ApiProperty({ ...instant, description: 'when this state began' })
  stateSince!: Date;
  @ApiProperty(instant)
  createdAt!: Date;
  @ApiProperty(instant)
  updatedAt!: Date;
  @ApiProperty({ description: 'position up to which everything is delivered or under way' })
  position!: string;
  @ApiProperty({ description: 'what it has not got yet' })
  lag!: LagView;
  @ApiProperty({ description: 'how its deliveries go' })
  health!: HealthView;
}

class BacklogView {
  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'matching events that are not yet under way; null when they cannot be counted in time',
  })
  events!: number | null;
  @ApiProperty({ description: 'there are more than `events`' })
  more!: boolean;
  @ApiProperty({ ...instant, nullable: true, description: 'when the oldest event that was not delivered was received' })
  oldestAt!: Date | null;
  @ApiProperty({ ...instant, nullable: true, description: 'when retention takes it, delivered or not; null: never' })
  lostAt!: Date | null;
}

export class EndpointDetail extends EndpointView {
  @ApiProperty({ description: 'what it has not got yet, and until when it can get it' })
  backlog!: BacklogView;
}

export class ChangedEndpointView extends EndpointView {
  @ApiPropertyOptional({ description: 'the new secret of `v1`, where the change made one; shown this once' })
  secret?: string;
}

export class NewEndpointView extends EndpointView {
  @ApiProperty({ description: 'secret of `v1`, shown this once and stored encrypted' })
  secret!: string;
}

export class EndpointPage extends PageEnd {
  @ApiProperty({ type: [EndpointView] })
  data!: EndpointView[];
}

export class RotatedView {
  @ApiProperty({ description: 'the new secret of `v1`, shown this once' })
  secret!: string;
  @ApiProperty({ description: 'the new public key of `v1a`' })
  publicKey!: string;
  @ApiProperty({ ...instant, nullable: true, description: 'until when the old one signs too' })
  oldUntil!: Date | null;
}

/** An endpoint as it is shown: no secret, no header value. */
export function endpointView(endpoint: EndpointStatus, head: { generation: number; seq: number }, waiting: WaitingEvents): EndpointView {
  const { id, url, description, metadata, ordered, maxInFlight, timeoutMs, signatures, state, reason, stateSince, createdAt, updatedAt } =
    endpoint;
  const now = Date.now();
  return {
    id,
    owner: endpoint.owner.keyId,
    url,
    description,
    metadata,
    ...settingsOf(endpoint.filter),
    ordered,
    maxInFlight,
    batch: endpoint.batch ?? null,
    rateLimit: endpoint.ratePerSecond ?? null,
    timeoutMs,
    signatures,
    publicKeys: signatures.includes('v1a') ? endpoint.secrets.filter(({ until }) => (until ?? Infinity) > now).map(publicKeyText) : [],
    headers: hiddenValues(endpoint.headers),
    state,
    reason,
    stateSince,
    createdAt,
    updatedAt,
    position: encodeCursor({ generation: head.generation, seq: endpoint.position }),
    lag: {
      events: waiting.events,
      more: waiting.more,
      positions: Math.max(0, head.seq - endpoint.position),
      open: endpoint.open,
      retrying: endpoint.retrying,
      oldestAt: earlier(endpoint.oldestOpenAt, waiting.oldestAt),
    },
    health: {
      failingSince: endpoint.failingSince,
      lastSuccessAt: endpoint.succeededAt,
      lastFailureAt: endpoint.failedAt,
      lastFailure: endpoint.failedAt && { at: endpoint.failedAt, category: endpoint.failedCategory, status: endpoint.failedStatus },
      throttledUntil: endpoint.throttledUntil && endpoint.throttledUntil.getTime() > now ? endpoint.throttledUntil : null,
      recent: { delivered: endpoint.delivered, failed: endpoint.failed, lastCategory: endpoint.lastCategory },
      dead: endpoint.dead,
    },
  };
}

/** What an endpoint has not got yet: what waits, and what is planned and not delivered since `oldestOpen`. */
export function backlogView(waiting: WaitingEvents, oldestOpen: Date | null, retentionDays: number): BacklogView {
  const { events, more } = waiting;
  const oldestAt = oldestOpen ?? waiting.oldestAt;
  return {
    events,
    more,
    oldestAt,
    lostAt: oldestAt && retentionDays > 0 ? new Date(oldestAt.getTime() + retentionDays * 86_400_000) : null,
  };
}

function earlier(a: Date | null, b: Date | null): Date | null {
  return a && b ? (a < b ? a : b) : (a ?? b);
}

/** 404, for an endpoint that there is not and for one of somebody else. */
export function unknownEndpoint(id: string): Problem {
  return Problem.notFound(`there is no webhook endpoint ${id.slice(0, 100)}`);
}

/** The secret in force, as a receiver needs it. */
export function secretOf({ secrets }: Pick<Endpoint, 'secrets'>): string {
  return sharedSecretText(secrets[0]!);
}
