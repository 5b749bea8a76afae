import type { ServerResponse } from 'node:http';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Config, type KeyRecord, type Logger, Metrics, Problem } from '@tributary/runtime';
import { Counter, Gauge } from 'prom-client';
import { KeyRing } from '../access/key-ring.js';
import { LOGGER } from '../resources.js';
import type { EventFilter } from '../store/filter.js';
import { SearchStores } from '../store/search-stores.js';
import { LiveHub } from './hub.js';
import { SseWriter, StreamLimits } from './sse-writer.js';
import { Frames, LiveStream, type StreamStart } from './stream.js';

/** Time that open streams have to say goodbye at shutdown. */
const FAREWELL_MS = 2_000;

/** The open live streams of this process: their number is bounded, in all and for each key. */
@Injectable()
export class LiveStreams implements OnModuleDestroy {
  private readonly frames = new Frames();
  private readonly open = new Map<LiveStream, Promise<void>>();
  private readonly perKey = new Map<string, number>();
  private readonly subscribers: Gauge;
  private readonly ended: Counter<'reason'>;
  private stopping = false;

  constructor(
    @Inject(LiveHub) private readonly hub: LiveHub,
    @Inject(KeyRing) private readonly keys: KeyRing,
    @Inject(Config) private readonly config: Config,
    @Inject(StreamLimits) private readonly limits: StreamLimits,
    @Inject(SearchStores) private readonly searches: SearchStores,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(Metrics) metrics: Metrics,
  ) {
    const registers = [metrics];
    this.subscribers = new Gauge({ name: 'tributary_streams', help: 'Open live streams (SSE)', registers });
    this.ended = new Counter({ name: 'tributary_streams_ended_total', help: 'Live streams that ended', labelNames: ['reason'], registers });
  }

  get count(): number {
    return this.open.size;
  }

  /** Streams that one key has open. */
  countOf(key: string): number {
    return this.perKey.get(key) ?? 0;
  }

  /** @throws Problem 429 when the key or the process has as many streams as it may, 503 at shutdown. */
  admit(key: string): void {
    if (this.stopping) throw new Problem('unavailable', 'this process stops', { headers: { 'retry-after': '1' } });
    const own = this.perKey.get(key) ?? 0;
    const { streamsPerKeyMax } = this.config;
    if (own < streamsPerKeyMax && this.open.size < this.limits.streamsMax) return;
    const bound = own >= streamsPerKeyMax ? `this key may have ${streamsPerKeyMax}` : `this process may have ${this.limits.streamsMax}`;
    throw new Problem('rate-limited', `${bound} streams open at a time`, { headers: { 'retry-after': '10' } });
  }

  /** Serves one reader whose response head is written; goes on in the background until its end. */
  serve(response: ServerResponse, caller: KeyRecord, filter: EventFilter, start: StreamStart): void {
    const { hub, frames, limits, logger } = this;
    const writer = new SseWriter(response, limits);
    const search = (signal: AbortSignal) => this.searches.of(caller.id, 'stream', signal);
    const stream = new LiveStream({ writer, hub, frames, filter, start, limits, search, logger, allowed: () => this.keys.holds(caller) });
    const unwatch = this.keys.whileHeld(caller, () => stream.stop('revoked'));
    // The request's close may never fire; the response's does.
    response.once('close', () => stream.stop());
    response.once('close', unwatch);
    response.once('error', () => stream.stop());
    this.perKey.set(caller.id, (this.perKey.get(caller.id) ?? 0) + 1);
    this.open.set(stream, this.run(stream, response, caller.id));
    this.subscribers.set(this.open.size);
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping = true;
    for (const stream of this.open.keys()) stream.stop('shutdown');
    const all = Promise.all(this.open.values());
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([all, new Promise((resolve) => (timer = setTimeout(resolve, FAREWELL_MS)))]);
    clearTimeout(timer);
  }

  private async run(stream: LiveStream, response: ServerResponse, key: string): Promise<void> {
    try {
      const end = await stream.run();
      this.ended.inc({ reason: end ?? 'client' });
    } catch (error) {
      this.logger.error({ err: error }, 'a live stream failed');
      this.ended.inc({ reason: 'error' });
      response.destroy();
    } finally {
      this.open.delete(stream);
      const left = (this.perKey.get(key) ?? 1) - 1;
      if (left > 0) this.perKey.set(key, left);
      else this.perKey.delete(key);
      this.subscribers.set(this.open.size);
    }
  }
}
