import type { Logger } from '@tributary/runtime';
import type { DisabledReason, Endpoint } from '../endpoint/endpoint.js';
import type { OutboundEventReader } from '../request/outbound-events.js';
import { Dispatcher, type DispatcherParts } from './dispatcher.js';
import type { EndpointCursor, EndpointCursorOptions } from './endpoint-cursor.js';
import type { EndpointLoad } from '../endpoint/endpoint-load.js';
import type { DeliveryPlanner } from './planner.js';
import { allOf, type StreamParts, type Streams, streamsOf } from './stream.js';

/** What the pipelines of one process share. */
export interface PipelineParts extends DispatcherParts {
  hub: EndpointCursorOptions['hub'];
  entries: Pick<OutboundEventReader, 'page'>;
  planner: DeliveryPlanner;
  logger: Logger;
  /** Runs a query of a cursor that catches up, with few others at a time; owners take turns. `owner`: id of a key, null: the operator. */
  read(owner: string | null, work: () => Promise<void>): Promise<void>;
  /** What the pipeline knows is not what the database says: it is to be loaded again. */
  outdated(pipeline: EndpointPipeline): void;
  /** Disables the endpoint in the database; never throws. */
  disable(pipeline: EndpointPipeline, reason: DisabledReason, since: number): Promise<void>;
  /** Retention has taken events that the endpoint had not got: those before the number `oldest`. */
  expired(pipeline: EndpointPipeline, oldest: number): void;
}

/** What an endpoint is behind by. */
export interface EndpointLag {
  /** Everything up to here is planned or did not match. */
  position: number;
  /** Deliveries that are not finished. */
  open: number;
  /** Events read and not planned. */
  pending: number;
  /** When the oldest event that the endpoint has not got was received, ms since 1970; undefined when there is none. */
  since: number | undefined;
}

/**
 * One endpoint while this process serves it: wires its cursors to the planner, the planner to its queues, and its queues to its
 * dispatcher; and loads all of them again when the database knows more.
 */
export class EndpointPipeline {
  readonly startedAt = performance.now();
  endpoint: Endpoint;
  private streams: Streams;
  private readonly dispatcher: Dispatcher;
  private stopped = false;

  constructor(
    load: EndpointLoad,
    private readonly parts: PipelineParts,
  ) {
    this.endpoint = load.endpoint;
    this.dispatcher = new Dispatcher(
      load.endpoint,
      load.health,
      parts,
      {
        outdated: () => parts.outdated(this),
        disable: (reason, since) => parts.disable(this, reason, since),
      },
      () => this.streams,
    );
    this.streams = streamsOf(load, this.streamParts());
    this.dispatcher.wake();
  }

  get id(): string {
    return this.endpoint.id;
  }

  get health(): Dispatcher['health'] {
    return this.dispatcher.health;
  }

  get lag(): EndpointLag {
    const { live, replay, manual } = this.streams;
    const open = [...live.queue.onWire, ...live.queue.waiting.slice(0, 1)];
    const since = Math.min(...open.map((delivery) => delivery.since), live.cursor.oldestReceivedAt ?? Infinity);
    return {
      position: live.cursor.position,
      open: live.queue.size + manual.queue.size + (replay?.queue.size ?? 0),
      pending: live.cursor.waiting,
      since: Number.isFinite(since) ? since : undefined,
    };
  }

  /** Whether nothing is under way or waiting for an attempt. */
  get isQuiet(): boolean {
    const { open, pending } = this.lag;
    return this.dispatcher.sending === 0 && open === 0 && pending === 0;
  }

  /** Its positions in the log. */
  get cursors(): EndpointCursor[] {
    return allOf(this.streams).flatMap(({ cursor }) => (cursor ? [cursor] : []));
  }

  /** The cursor of the replay that is running. */
  get replayCursor(): EndpointCursor | undefined {
    return this.streams.replay?.cursor;
  }

  /** Sends and plans nothing more until {@link reload}: what it knows is not what the database says. */
  pause(): ReadonlySet<string> {
    for (const cursor of this.cursors) cursor.paused = true;
    return this.dispatcher.pause();
  }

  /**
   * Takes over what has changed: settings, deliveries retried or cancelled by hand, a replay.
   * @returns false when the endpoint is not to be served any more
   */
  async reload(load: () => Promise<EndpointLoad | undefined>): Promise<boolean> {
    const finished = this.pause();
    await this.parts.planner.settled();
    await this.parts.recorder.settled();
    const loaded = await load();
    if (loaded?.endpoint.state !== 'enabled' || this.stopped) return false;
    const before = this.streams;
    this.closeCursors();
    this.endpoint = loaded.endpoint;
    this.streams = streamsOf(loaded, this.streamParts(), { streams: before, finished });
    this.dispatcher.resume(loaded.endpoint, loaded.health);
    return true;
  }

  /** Ends it; resolves when nothing of it is on the wire, or after `waitMs`. */
  async stop(waitMs: number): Promise<void> {
    this.stopped = true;
    this.closeCursors();
    await this.dispatcher.stop(waitMs);
  }

  private closeCursors(): void {
    for (const cursor of this.cursors) cursor.close();
  }

  private streamParts(): StreamParts {
    const { hub, entries, planner, logger } = this.parts;
    const { dispatcher } = this;
    return {
      ...{ hub, entries, planner, dispatcher, health: dispatcher.health, logger },
      read: (work) => this.parts.read(this.endpoint.owner.keyId, work),
      expired: (oldest) => this.parts.expired(this, oldest),
      outdated: () => this.parts.outdated(this),
    };
  }
}
