import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { type KeyRecord, type Logger, Metrics } from '@tributary/runtime';
import { Counter, Gauge } from 'prom-client';
import { KeyRing } from '../access/key-ring.js';
import { LOGGER } from '../resources.js';
import type { EventFilter } from '../filter/filter.js';
import { SearchStores } from '../store/search-stores.js';
import { type LiveCodec, LiveEncoder } from './codec.js';
import type { LiveConnection } from './connection.js';
import { LiveHub } from './hub/hub.js';
import { StreamLimits } from './stream-limits.js';
import { StreamSlots } from './stream-slots.js';
import { LiveSubscription } from './subscription/subscription.js';
import type { SubscriptionStart } from './subscription/subscription-start.js';

/** Time that open streams have to end at shutdown. */
const CLOSE_TIMEOUT_MS = 2_000;

/** One reader, its connection made and its start found. */
export interface LiveReading {
  caller: KeyRecord;
  codec: LiveCodec;
  connection: LiveConnection;
  filter: EventFilter;
  start: SubscriptionStart;
  /** Releases the slot that {@link StreamSlots.admit} has taken; called once, at its end. */
  release: () => void;
}

/** The open live streams of this process. */
@Injectable()
export class LiveStreams implements OnModuleDestroy {
  /** One for each codec: its subscriptions share the texts of events. */
  private readonly encoders = new WeakMap<LiveCodec, LiveEncoder>();
  private readonly open = new Map<LiveSubscription, Promise<void>>();
  private readonly subscribers: Gauge;
  private readonly ended: Counter<'reason'>;

  constructor(
    private readonly hub: LiveHub,
    private readonly keys: KeyRing,
    private readonly limits: StreamLimits,
    private readonly searches: SearchStores,
    private readonly slots: StreamSlots,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    const registers = [metrics];
    this.subscribers = new Gauge({ name: 'tributary_streams', help: 'Open live streams', registers });
    this.ended = new Counter({ name: 'tributary_streams_ended_total', help: 'Live streams that ended', labelNames: ['reason'], registers });
  }

  get count(): number {
    return this.open.size;
  }

  /**
   * Serves one reader that was admitted; goes on in the background until its end.
   * @returns the subscription, so that a connection which carries several can stop one
   */
  serve({ caller, codec, connection, filter, start, release }: LiveReading): LiveSubscription {
    const { hub, limits, logger, keys } = this;
    const encoder = this.encoders.get(codec) ?? new LiveEncoder(codec);
    this.encoders.set(codec, encoder);
    const search = (signal: AbortSignal) => this.searches.of(caller.id, 'stream', signal);
    const allowed = () => keys.holds(caller);
    const subscription = new LiveSubscription({ connection, encoder, hub, filter, start, limits, search, logger, allowed });
    const unwatch = keys.whileHeld(caller, () => subscription.stop('revoked'));
    connection.onLeft(() => subscription.stop());
    const end = () => {
      unwatch();
      release();
    };
    this.open.set(subscription, this.run(subscription, connection).finally(end));
    this.subscribers.set(this.open.size);
    return subscription;
  }

  async onModuleDestroy(): Promise<void> {
    this.slots.close();
    for (const subscription of this.open.keys()) subscription.stop('shutdown');
    const all = Promise.all(this.open.values());
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([all, new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_TIMEOUT_MS)))]);
    clearTimeout(timer);
  }

  private async run(subscription: LiveSubscription, connection: LiveConnection): Promise<void> {
    try {
      const end = await subscription.run();
      this.ended.inc({ reason: end ?? 'client' });
    } catch (error) {
      this.logger.error({ err: error }, 'a live stream failed');
      this.ended.inc({ reason: 'error' });
      connection.destroy();
    } finally {
      this.open.delete(subscription);
      this.subscribers.set(this.open.size);
    }
  }
}
