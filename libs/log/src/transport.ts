import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import { backoffMs, pause } from '@tributary/runtime/backoff';
import type { Redis } from 'ioredis';
import { isObservable, lastValueFrom } from 'rxjs';
import { reasonOf } from '@tributary/runtime/reason';
import type { FeedReader } from './feed.js';
import type { LogKeys } from './keys.js';
import type { LogLogger } from './producer/run-appender.js';
import type { InboxReader, Positions } from './reader/inbox-reader.js';

/** Pattern of the handler that commits inbox batches; it answers true when the batch is committed. */
export const INBOX = 'tributary.inbox';
/** Pattern of the handler that takes feed batches. */
export const FEED = 'tributary.feed';

const IDLE_POLL_MS = 250;
const RETRY = { firstMs: 50, maxMs: 2_000 };

/** Where the positions of the inbox's reader are kept: in the store, with the events themselves. */
export interface PositionSource {
  load(): Promise<Positions>;
}

export interface LogTransportOptions {
  logger: LogLogger;
  inbox?: { reader: InboxReader; positions: PositionSource; keys: LogKeys; /** for the wake channel */ subscriber: Redis };
  feed?: { reader: FeedReader };
  /** Called when the loops shall end: the place to cut their connections, since a blocking read outlives a lost server. */
  onClosing?(): void;
}

/**
 * Brings the log to Nest: a role consumes batches with `@EventPattern(INBOX)` and `@EventPattern(FEED)`. One batch at a time,
 * in order; a handler that fails gets the batch again, read anew from the positions that the store has.
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
      if (this.options.feed) this.loops.push(this.runFeed(this.options.feed.reader, this.handler(FEED)));
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

  /** Part of Nest's contract; this transport has no events of its own to listen to. */
  on(): void {
    throw new Error('the log transport emits no events');
  }

  unwrap<T>(): T {
    return this.options as T;
  }

  private handler(pattern: string): (data: unknown) => Promise<unknown> {
    const handler = this.getHandlerByPattern(pattern);
    if (!handler) throw new Error(`no handler for ${pattern}: declare one with @EventPattern`);
    return async (data) => {
      const result: unknown = await handler(data, undefined);
      return isObservable(result) ? lastValueFrom(result, { defaultValue: undefined }) : result;
    };
  }

  private async runInbox(inbox: NonNullable<LogTransportOptions['inbox']>, handle: (data: unknown) => Promise<unknown>): Promise<void> {
    const signal = this.stopping.signal;
    const wake = this.wakeOn(inbox.subscriber, inbox.keys.wake);
    let positions: Positions | undefined;
    for (let failures = 0; !signal.aborted;) {
      try {
        positions ??= await inbox.positions.load();
        const batch = await inbox.reader.read(positions);
        if (batch.entries.length === 0) {
          await wake(IDLE_POLL_MS);
        } else if ((await handle(batch)) === true) {
          positions = batch.to;
          if (batch.restarted && batch.restarted.length > 0)
            this.options.logger.warn(
              { partitions: batch.restarted },
              'Redis lost entries that were read; reading from the oldest one again',
            );
        } else {
          // Another writer has moved the head: stand back so that the two do not read everything twice.
          positions = undefined;
          await pause(backoffMs(1, { firstMs: 100, maxMs: 200 }), signal);
        }
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        positions = undefined;
        if (failures === 0) this.options.logger.warn({ reason: reasonOf(error) }, 'the inbox cannot be read or stored; trying again');
        await pause(backoffMs(failures++, RETRY), signal);
      }
    }
  }

  /** A wait that ends when something was appended. The subscription is renewed by the client after a reconnect. */
  private wakeOn(subscriber: Redis, channel: string): (ms: number) => Promise<void> {
    let pending = false;
    let awake: (() => void) | undefined;
    const ring = () => {
      pending = true;
      awake?.();
    };
    subscriber.on('message', ring);
    const subscribe = () =>
      void subscriber
        .subscribe(channel)
        .catch((error: unknown) => this.options.logger.warn({ reason: reasonOf(error) }, 'cannot subscribe to the wake channel; polling'));
    if (subscriber.status === 'ready') subscribe();
    subscriber.on('ready', subscribe);
    this.stopping.signal.addEventListener('abort', ring, { once: true });
    return (ms) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          awake = undefined;
          pending = false;
          resolve();
        };
        const timer = setTimeout(done, ms);
        if (pending) done();
        else awake = done;
      });
  }

  private async runFeed(reader: FeedReader, handle: (data: unknown) => Promise<unknown>): Promise<void> {
    const signal = this.stopping.signal;
    for (let failures = 0; !signal.aborted;) {
      try {
        for (const batch of await reader.read()) await handle(batch);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (failures === 0) this.options.logger.warn({ reason: reasonOf(error) }, 'the feed cannot be read; live readers use PostgreSQL');
        await pause(backoffMs(failures++, RETRY), signal);
      }
    }
  }
}
