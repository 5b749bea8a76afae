import { Inject, Injectable } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { CREATOR_STATES, type CreatorCounters, type CreatorState, type StatusStore } from '@tributary/creators';
import { type Logger, reasonOf } from '@tributary/runtime';
import type pg from 'pg';
import { LOGGER, POOL } from '../resources.js';
import { shownOptions } from './creator-options.js';
import { type CreatorFacts, type KnownState, knownState, type ReportedStatus } from './creator-state.js';
import { CreatorStatuses } from './creator-statuses.js';
import type { CreatorTimes, StoredCreator } from './creator-registry.js';

export class CreatorOptionsView {
  @ApiProperty({ required: false, description: 'keep the raw protobuf of its messages' })
  raw?: boolean;
  @ApiProperty({ type: [String], required: false, description: 'event types kept; all of them when absent' })
  types?: string[];
  @ApiProperty({ required: false, description: 'true when it has a session cookie, which is never shown' })
  sessionCookie?: true;
  @ApiProperty({ required: false, description: 'its proxy, without user and password', example: 'http://***@proxy.example:8080' })
  proxy?: string;
}

class CreatorProblemView {
  @ApiProperty({ description: 'kind of the error, such as `blocked`' })
  reason!: string;
  @ApiProperty({ description: 'what happened, in one sentence' })
  message!: string;
  @ApiProperty({ format: 'date-time', description: 'when' })
  at!: string;
  @ApiProperty({ format: 'date-time', required: false, description: 'when it is tried again' })
  retryAt?: string;
}

class LastKnownView {
  @ApiProperty({ description: 'whether it was live' })
  live!: boolean;
  @ApiProperty({ format: 'date-time', description: 'when that was known: by a poll that was answered, or by a message of its room' })
  at!: string;
}

const COUNTERS = ['frames', 'messages', 'events', 'duplicates', 'unknown', 'decodeErrors', 'reconnects', 'gaps'] as const;

/** A creator as the API shows it: what PostgreSQL holds, and what its worker last reported. */
export class CreatorView {
  @ApiProperty({ example: 'cr_01kapmz9x8t0v7rwe5' })
  id!: string;
  @ApiProperty({ description: 'current handle', example: 'some.creator' })
  uniqueId!: string;
  @ApiProperty({ type: String, nullable: true, description: "TikTok's user id, once resolved" })
  userId!: string | null;
  @ApiProperty({ description: 'a paused creator is not connected' })
  paused!: boolean;
  @ApiProperty({ description: 'how it is monitored' })
  options!: CreatorOptionsView;
  @ApiProperty({ type: String, format: 'date-time', description: 'when it was added' })
  createdAt!: Date;
  @ApiProperty({ type: String, format: 'date-time', description: 'when its settings changed last' })
  updatedAt!: Date;
  @ApiProperty({
    type: String,
    enum: CREATOR_STATES,
    nullable: true,
    description: '`unknown`: whether it is live is not known. null while Redis does not answer',
  })
  state!: CreatorState | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'when this state began' })
  since!: string | null;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'start of the stream that is on air, as far as it was watched: of its session. null unless it is known to be live',
  })
  liveSince!: string | null;
  @ApiProperty({ type: LastKnownView, nullable: true, description: 'what was known last, whatever its state is now' })
  lastKnown!: LastKnownView | null;
  @ApiProperty({ type: String, nullable: true, description: 'the worker that holds it' })
  worker!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'room of its stream, or of its last one' })
  roomId!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'title of the stream that is on air' })
  title!: string | null;
  @ApiProperty({ type: 'integer', nullable: true, description: 'viewers now' })
  viewers!: number | null;
  @ApiProperty({ type: CreatorProblemView, nullable: true, description: 'what went wrong last' })
  lastError!: CreatorProblemView | null;
  @ApiProperty({
    type: 'object',
    nullable: true,
    selfRequired: true,
    required: ['place', 'waitMs'],
    properties: { place: { type: 'integer' }, waitMs: { type: 'integer' } },
    description: 'place (1 is next) and expected wait in the queue for a connection',
    additionalProperties: false,
  })
  queue!: { place: number; waitMs: number } | null;
  @ApiProperty({
    type: 'object',
    nullable: true,
    selfRequired: true,
    required: [...COUNTERS],
    properties: Object.fromEntries(COUNTERS.map((name) => [name, { type: 'integer' }])),
    description: 'totals since its worker took it over',
    additionalProperties: false,
  })
  counters!: CreatorCounters | null;
}

const iso = (ms: number) => new Date(ms).toISOString();

/** Where the session of a room began. */
type Starts = ReadonlyMap<string, Date>;

function toView(
  creator: StoredCreator,
  reported: ReportedStatus | 'unreadable' | undefined,
  known: KnownState,
  starts: Starts,
): CreatorView {
  const { pausedSince: _pausedSince, ...stored } = creator;
  const last = reported === 'unreadable' ? undefined : reported?.status;
  const { state, since, status, isLive, problem } = known;
  const began = isLive && status?.roomId !== undefined ? starts.get(status.roomId)?.getTime() : undefined;
  return {
    ...stored,
    options: shownOptions(creator.options),
    state,
    since: since === null ? null : iso(since),
    // Its session is counted a moment after its first event.
    liveSince: isLive && status ? iso(began ?? status.since) : null,
    lastKnown: last?.checked ? { live: last.checked.live, at: iso(last.checked.at) } : null,
    worker: (reported !== 'unreadable' && reported?.isHeld ? reported.status.worker : undefined) ?? null,
    roomId: last?.roomId ?? null,
    title: (isLive ? status?.title : undefined) ?? null,
    viewers: (isLive ? status?.viewers : undefined) ?? null,
    lastError: problem
      ? {
          reason: problem.reason,
          message: problem.message,
          at: iso(problem.at),
          ...(problem.retryAt === undefined ? {} : { retryAt: iso(problem.retryAt) }),
        }
      : null,
    queue: status?.queue ?? null,
    counters: last?.counters ?? null,
  };
}

const factsOf = ({ paused, pausedSince, updatedAt }: CreatorTimes): CreatorFacts => ({
  paused,
  pausedSince: pausedSince?.getTime() ?? null,
  updatedAt: updatedAt.getTime(),
});

/** Joins creators with what their workers say. */
@Injectable()
export class CreatorViews {
  readonly board: StatusStore;

  constructor(
    private readonly statuses: CreatorStatuses,
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.board = this.statuses.board;
  }

  /** The state of each of these creators, in their order. @throws where Redis does not answer */
  async states(creators: readonly (CreatorTimes & { id: string })[]): Promise<(CreatorState | null)[]> {
    const reported = await this.statuses.of(creators.map(({ id }) => id));
    return creators.map((creator, i) => knownState(factsOf(creator), reported[i], Date.now()).state);
  }

  /** Views in the order given; `known` is false when Redis did not answer: then states are null, but for those that are paused. */
  async of(creators: readonly StoredCreator[]): Promise<{ views: CreatorView[]; known: boolean }> {
    const all = await this.statuses.of(creators.map(({ id }) => id)).catch((error: unknown) => {
      this.logger.debug({ reason: reasonOf(error) }, 'creator states cannot be read');
      return undefined;
    });
    const now = Date.now();
    const found = creators.map((creator, i) => {
      const reported = all ? all[i] : ('unreadable' as const);
      return { creator, reported, known: knownState(factsOf(creator), reported, now) };
    });
    const rooms = found.flatMap(({ known: { isLive, status } }) => (isLive && status?.roomId !== undefined ? [status.roomId] : []));
    const starts = await this.starts(rooms);
    return { views: found.map(({ creator, reported, known }) => toView(creator, reported, known, starts)), known: all !== undefined };
  }

  private async starts(rooms: readonly string[]): Promise<Starts> {
    if (rooms.length === 0) return new Map();
    const { rows } = await this.pool.query<{ room: string; at: Date }>(
      'select room_id as room, started_at as at from sessions where room_id = any($1)',
      [rooms],
    );
    return new Map(rows.map(({ room, at }) => [room, at]));
  }
}
