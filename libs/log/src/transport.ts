import { BaseRpcContext, type CustomTransportStrategy, Server } from '@nestjs/microservices';
import { backoffMs, pause } from '@tributary/runtime/backoff';
import { reasonOf } from '@tributary/runtime/reason';
import { WakeSignal } from '@tributary/runtime/wake-signal';
import type { Redis } from 'ioredis';
import { isObservable, lastValueFrom } from 'rxjs';
import { type BatchOutcome, failureOf, readOutcome } from './batch-outcome.js';
import type { FeedReader } from './feed.js';
import type { LogKeys } from './log-keys.js';
import type { LogLogger } from './producer/run-appender.js';
import type { InboxReader, Positions } from './reader/inbox-reader.js';

/** Pattern of the handler that commits inbox batches. It returns a {@link BatchOutcome}. */
export const INBOX = 'tributary.inbox';
/** Pattern of the handler that takes feed batches. It returns a {@link BatchOutcome}. */
export const FEED = 'tributary.feed';

const IDLE_POLL_MS = 250;
const RETRY = { firstMs: 50, maxMs: 2_000 };
/** Pause after another writer has moved the head, so that two writers do not both read everything. */
const SUPERSEDED = { firstMs: 100, maxMs: 200 };

/** Where the positions of the inbox's reader are kept: in the store, with the events themselves. */
export interface PositionSource {
  load(): Promise<Positions>;
}

export interface LogTransportOptions {
  logger: LogLogger;
  inbox?: { reader: Pick<InboxReader, 'read'>; positions: PositionSource; keys: LogKeys; /** for the wake channel */ subscriber: Redis };
  feed?: { reader: Pick<FeedReader, 'read'> };
  /** Called when the loops must end. It closes their connections, since a blocking read outlives a lost server. */
  onClosing?(): void;
}

/** What handlers, guards and interceptors get beside a batch: by it they know that the batch comes from the log, and from nobody else. */
export class LogContext extends BaseRpcContext<[pattern: string]> {
  constructor(pattern: string) {
    super([pattern]);
  }
}

type Handler = (batch: unknown) => Promise<BatchOutcome>;

/**
 * Nest transport of the log: a role consumes batches with `@EventPattern(INBOX)` and `@EventPattern(FEED)`, one batch at a
 * time and in order. A failed batch is read again from the positions that the store has.
 */
export class LogTransport extends Server implements CustomTransportStrategy {
  private readonly stopping = new AbortController();
  private readonly loops: Promise<void>[] = [];

  constructor(private readonly options: LogTransportOptions) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    try {
      if (this.options.inbox) this.loops.push(this.runInbox(this.options.inbox, this.handler(INBOX)));
      if (this.options.feed) this.loops.push(this.runFeed(this.options.feed, this.handler(FEED)));
      callback();
    } catch (error) {
      callback(error);
    }
  }

  async close(): Promise<void> {
    this.stopping.abort();
    this.options.onClosing?.();
    await Promise.all(this.loops);
  }

  /** Part of Nest's contract; this transport emits no events of its own. */
  on(): void {
    throw new Error('the log transport emits no events');
  }

  unwrap<T>(): T {
    return this.options as T;
  }

  private handler(pattern: string): Handler {
    const handler = this.getHandlerByPattern(pattern);
    if (!handler) throw new Error(`no handler for ${pattern}: declare one with @EventPattern`);
    const context = new LogContext(pattern);
    return async (batch) => {
      try {
        const result: unknown = await handler(batch, context);
        return readOutcome(isObservable(result) ? await lastValueFrom(result, { defaultValue: undefined }) : result);
      } catch (rejection) {
        return failureOf(rejection);
      }
    };
  }

  private async runInbox(
    { reader, positions, keys, subscriber }: NonNullable<LogTransportOptions['inbox']>,
    handle: Handler,
  ): Promise<void> {
    const { signal } = this.stopping;
    const appended = this.appendedSignal(subscriber, keys.wake);
    let from: Positions | undefined;
    const step = async (): Promise<BatchOutcome> => {
      from ??= await positions.load();
      const batch = await reader.read(from);
      if (batch.entries.length === 0) {
        await appended.wait(IDLE_POLL_MS, signal);
        return { kind: 'done' };
      }
      const outcome = await handle(batch);
      from = outcome.kind === 'done' ? batch.to : undefined;
      const { restarted: partitions = [] } = batch;
      if (outcome.kind === 'done' && partitions.length > 0)
        this.options.logger.warn({ partitions }, 'Redis lost entries that were read; reading from the oldest one again');
      return outcome;
    };
    await this.repeat('the inbox cannot be read or stored; trying again', async () => {
      try {
        return await step();
      } catch (error) {
        from = undefined;
        throw error;
      }
    });
  }

  private async runFeed({ reader }: NonNullable<LogTransportOptions['feed']>, handle: Handler): Promise<void> {
    const { signal } = this.stopping;
    await this.repeat('the feed cannot be read; live readers use PostgreSQL', async () => {
      for (const batch of (await unlessAborted(reader.read(), signal)) ?? []) {
        const outcome = await handle(batch);
        if (outcome.kind !== 'done') return outcome;
      }
      return { kind: 'done' };
    });
  }

  /** Runs `step` until the transport closes. The first failure in a row is logged; each is followed by a longer pause. */
  private async repeat(complaint: string, step: () => Promise<BatchOutcome>): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      const outcome = await step().catch((error: unknown): BatchOutcome => ({ kind: 'failed', reason: reasonOf(error) }));
      if (outcome.kind !== 'failed') failures = 0;
      if (outcome.kind === 'done') continue;
      if (outcome.kind === 'superseded') {
        await pause(backoffMs(1, SUPERSEDED), signal);
        continue;
      }
      if (signal.aborted) return;
      if (failures === 0) this.options.logger.warn({ reason: outcome.reason }, complaint);
      await pause(backoffMs(failures++, RETRY), signal);
    }
  }

  /** Notified when something was appended. The client subscribes again after each reconnect. */
  private appendedSignal(subscriber: Redis, channel: string): WakeSignal {
    const appended = new WakeSignal();
    const subscribe = () =>
      void subscriber
        .subscribe(channel)
        .catch((error: unknown) => this.options.logger.warn({ reason: reasonOf(error) }, 'cannot subscribe to the wake channel; polling'));
    subscriber.on('message', () => appended.notify());
    subscriber.on('ready', subscribe);
    if (subscriber.status === 'ready') subscribe();
    return appended;
  }
}

/** What a read gives; undefined once `signal` aborts. A client that is closed while it reconnects leaves a blocking read without an end. */
function unlessAborted<T>(read: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve(undefined);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void read.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
