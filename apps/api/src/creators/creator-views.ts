import { Inject, Injectable } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import {
  CREATOR_STATES,
  type CreatorCounters,
  type CreatorState,
  type CreatorStatus,
  type ListedWorker,
  type StatusStore,
} from '@tributary/creators';
import { Config, type Logger, reasonOf } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import { LOGGER, REDIS } from '../resources.js';
import { shownOptions } from './creator-options.js';
import { CreatorStatuses } from './creator-statuses.js';
import type { StoredCreator } from './creator-registry.js';

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

const COUNTERS = ['frames', 'messages', 'events', 'duplicates', 'unknown', 'decodeErrors', 'reconnects', 'gaps'] as const;

/** A creator as the API shows it: what PostgreSQL holds, and what its worker last said. */
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
  @ApiProperty({ type: String, enum: CREATOR_STATES, nullable: true, description: 'null while Redis does not answer' })
  state!: CreatorState | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'when this state began' })
  since!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'the worker that holds it' })
  worker!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'room of its stream' })
  roomId!: string | null;
  @ApiProperty({ type: String, nullable: true, description: 'title of the stream' })
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

function toView(creator: StoredCreator, status: CreatorStatus | undefined, known: boolean): CreatorView {
  const problem = status?.lastError;
  return {
    ...creator,
    options: shownOptions(creator.options),
    // Nobody has said anything about a creator that no worker has taken yet: it is not received.
    state: status?.state ?? (known ? 'offline' : null),
    since: status ? iso(status.since) : null,
    worker: status?.worker ?? null,
    roomId: status?.roomId ?? null,
    title: status?.title ?? null,
    viewers: status?.viewers ?? null,
    lastError: problem
      ? {
          reason: problem.reason,
          message: problem.message,
          at: iso(problem.at),
          ...(problem.retryAt === undefined ? {} : { retryAt: iso(problem.retryAt) }),
        }
      : null,
    queue: status?.queue ?? null,
    counters: status?.counters ?? null,
  };
}

/** What is known of a creator whose worker is silent or has stopped: nothing is received until another takes it over. */
function orphaned({ worker, queue: _queue, viewers: _viewers, ...status }: CreatorStatus, seen: ListedWorker | undefined): CreatorStatus {
  const at = seen ? Date.now() - seen.beatAgeMs : status.since;
  const message = worker === undefined ? 'no worker holds it since the last one stopped' : `its worker ${worker} gives no sign of life`;
  const state = status.state === 'offline' ? 'offline' : 'reconnecting';
  return { ...status, state, since: state === status.state ? status.since : at, lastError: { reason: 'worker-lost', message, at } };
}

/** Joins creators with what their workers say. */
@Injectable()
export class CreatorViews {
  readonly board: StatusStore;
  private readonly said: CreatorStatuses;

  constructor(
    @Inject(REDIS) redis: Redis,
    @Inject(Config) config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.said = new CreatorStatuses({ redis, prefix: config.redisPrefix, leaseTtlMs: config.leaseTtlMs });
    this.board = this.said.board;
  }

  /** What is known of each creator, in the order of `ids`: what its worker last said, if that worker still lives. */
  async statuses(ids: readonly string[]): Promise<(CreatorStatus | undefined)[]> {
    return (await this.said.of(ids)).map((said) => {
      if (!said) return undefined;
      const { status, isHeld, worker } = said;
      return isHeld || (status.worker === undefined && status.state === 'offline') ? status : orphaned(status, worker);
    });
  }

  /** Views in the order given; `known` is false when Redis did not answer, and their state null. */
  async of(creators: readonly StoredCreator[]): Promise<{ views: CreatorView[]; known: boolean }> {
    const statuses = await this.statuses(creators.map(({ id }) => id)).catch((error: unknown) => {
      this.logger.debug({ reason: reasonOf(error) }, 'creator states cannot be read');
      return undefined;
    });
    return { views: creators.map((creator, i) => toView(creator, statuses?.[i], statuses !== undefined)), known: statuses !== undefined };
  }
}
