import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { positionOf } from '../../events/envelopes.js';
import { PageEnd } from '../../http/paging.js';
import type { Head } from '../../store/writer/generations.js';
import type { AttemptRecord } from '../../delivery/request/attempt.js';
import type { Payload } from './delivery-payload.js';
import { type DeliveredEvent, EVENTS_SHOWN_MAX } from './delivery-search.js';
import { DELIVERY_STATES, type DeliveryRow, type StoredDeliveryState } from './delivery-store.js';
import { FAILURE_CATEGORIES, type FailureCategory } from '../../outbound/outcome.js';
import {} from '../replays/replay-store.js';

const instant = { type: String, format: 'date-time' } as const;
const texts = { type: 'object', additionalProperties: { type: 'string' } } as const;
const KINDS = ['live', 'replay', 'retry', 'test'] as const;

class RequestView {
  @ApiProperty({ description: 'where it was sent to' })
  url!: string;
  @ApiProperty({ ...texts, description: 'values of custom headers are not kept' })
  headers!: Record<string, string>;
  @ApiProperty({ type: 'integer', description: 'of the body' })
  bytes!: number;
}

class ResponseView {
  @ApiProperty(texts)
  headers!: Record<string, string>;
  @ApiProperty({ description: 'the first 16 KiB' })
  body!: string;
}

export class AttemptView {
  @ApiProperty(instant)
  at!: Date;
  @ApiProperty({ type: 'integer' })
  latencyMs!: number;
  @ApiPropertyOptional({ type: 'integer', description: 'absent when no answer came' })
  status?: number;
  @ApiPropertyOptional({ enum: FAILURE_CATEGORIES, description: 'absent for a success' })
  category?: FailureCategory;
  @ApiProperty({ type: 'integer', description: 'events in the body' })
  events!: number;
  @ApiProperty({ description: 'what was sent' })
  request!: RequestView;
  @ApiProperty({ description: 'what came back' })
  response!: ResponseView;
}

export class AttemptList {
  @ApiProperty({ type: [AttemptView], description: 'oldest first; the last 20' })
  data!: AttemptView[];
}

class DeliveredCreator {
  @ApiProperty({ description: 'internal id' })
  id!: string;
  @ApiProperty({ description: 'handle at the time of the event; empty for what is about no creator' })
  uniqueId!: string;
}

class DeliveredEventView {
  @ApiProperty({ description: 'id of the event' })
  id!: string;
  @ApiProperty({ description: 'its type' })
  type!: string;
  @ApiProperty({ description: 'internal id of its creator, or the endpoint that it is about' })
  creator!: string;
  @ApiProperty({ description: 'its position' })
  position!: string;
}

class PayloadView {
  @ApiProperty()
  contentType!: string;
  @ApiProperty({ type: 'integer', description: 'of the body' })
  bytes!: number;
  @ApiProperty({ description: 'the body as it is sent and signed' })
  body!: string;
}

const OF_THE_FIRST = `of its first ${EVENTS_SHOWN_MAX} events, as far as they still exist and the key may see them`;

export class DeliveryView {
  @ApiProperty({ description: 'the `webhook-id` of all its attempts', example: 'dlv_01kapmz9x80000q3v7rw' })
  id!: string;
  @ApiProperty({ enum: DELIVERY_STATES, description: '`dead`: given up. `erased`: none of its events exists any more' })
  state!: StoredDeliveryState;
  @ApiProperty({ enum: KINDS, description: '`retry`: taken up again by hand' })
  kind!: (typeof KINDS)[number];
  @ApiProperty({ type: String, nullable: true, description: 'the replay it belongs to' })
  replay!: string | null;
  @ApiProperty({ type: 'integer', description: 'how many events it holds' })
  events!: number;
  @ApiProperty({ type: [String], description: `types ${OF_THE_FIRST}` })
  types!: string[];
  @ApiProperty({ type: [DeliveredCreator], description: `creators ${OF_THE_FIRST}` })
  creators!: DeliveredCreator[];
  @ApiProperty({
    type: DeliveredEventView,
    nullable: true,
    description: 'its first event that still exists and that the key may see; null for a test',
  })
  firstEvent!: DeliveredEventView | null;
  @ApiProperty({ type: String, nullable: true, description: 'of its first event' })
  position!: string | null;
  @ApiProperty({ type: 'integer', description: 'attempts made since it was made, or taken up again' })
  attempts!: number;
  @ApiProperty({ ...instant, nullable: true })
  nextAttemptAt!: Date | null;
  @ApiProperty(instant)
  createdAt!: Date;
  @ApiProperty({ ...instant, nullable: true })
  endedAt!: Date | null;
  @ApiProperty({ type: 'integer', nullable: true })
  lastStatus!: number | null;
  @ApiProperty({ type: String, enum: FAILURE_CATEGORIES, nullable: true })
  lastCategory!: FailureCategory | null;
  @ApiProperty({ type: 'integer', nullable: true })
  lastLatencyMs!: number | null;
  @ApiPropertyOptional({
    type: PayloadView,
    nullable: true,
    description: 'with `payload=true`; null for a test, where nothing of it exists any more, and where the key may not see all of it',
  })
  payload?: PayloadView | null;
}

export class DeliveryDetail extends DeliveryView {
  @ApiProperty({ type: [DeliveredEventView], description: 'events that still exist and that the key may see' })
  eventList!: DeliveredEventView[];
}

export class DeliveryPage extends PageEnd {
  @ApiProperty({ type: [DeliveryView] })
  data!: DeliveryView[];
}

export class RetriedView {
  @ApiProperty({ type: 'integer' })
  retried!: number;
  @ApiProperty({ description: 'there are more: call again' })
  more!: boolean;
}

export function attemptView({ at, ...same }: AttemptRecord): AttemptView {
  return { at: new Date(at), ...same };
}

/** An event of a delivery, as it is shown. */
export function deliveredEventView({ id, type, creatorId, seq }: DeliveredEvent, { history }: Head): DeliveredEventView {
  return { id, type, creator: creatorId, position: positionOf(seq, history) };
}

/** A delivery as it is shown. `events`: those of it that are known to exist; `payload`: where it was asked for. */
export function deliveryView(row: DeliveryRow, head: Head, events: readonly DeliveredEvent[], payload?: Payload | null): DeliveryView {
  const [first] = events;
  const creators = new Map(events.map(({ creatorId, handle }) => [creatorId, handle]));
  return {
    id: row.id,
    state: row.state,
    kind: row.test ? 'test' : row.again ? 'retry' : row.replayId === null ? 'live' : 'replay',
    replay: row.replayId,
    events: row.test ? 1 : row.seqs.length,
    types: [...new Set(events.map(({ type }) => type))],
    creators: [...creators].map(([id, uniqueId]) => ({ id, uniqueId })),
    firstEvent: first ? deliveredEventView(first, head) : null,
    position: row.test ? null : positionOf(row.seq, head.history),
    attempts: row.attempt,
    nextAttemptAt: row.state === 'open' ? row.nextAttemptAt : null,
    createdAt: row.createdAt,
    endedAt: row.endedAt,
    lastStatus: row.lastStatus,
    lastCategory: row.lastCategory,
    lastLatencyMs: row.lastLatencyMs,
    ...(payload === undefined ? {} : { payload }),
  };
}
