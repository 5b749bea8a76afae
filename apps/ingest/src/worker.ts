import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { CreatorProjection, LeaseManager, StatusBoard, WorkerBoard } from '@tributary/creators';
import { InboxProducer, LogKeys } from '@tributary/log';
import type { Config, Logger, Metrics, Readiness } from '@tributary/runtime';
import { HttpSigner, type Signer } from '@tributary/signing';
import { RoomNormaliser, RoomResolver, RoomSession } from '@tributary/webcast';
import type { Redis } from 'ioredis';
import { systemClock } from './clock.js';
import { IngestMetrics } from './ingest-metrics.js';
import { PollDesk } from './poll-desk.js';
import { SESSION_TIMING, type SessionServices } from './session-services.js';
import { SignDesk } from './sign-desk.js';
import { Supervisor } from './supervisor.js';

export interface WorkerOptions {
  config: Config;
  logger: Logger;
  metrics: Metrics;
  readiness: Readiness;
  /** For leases, projection and boards. */
  redis: Redis;
  /** For the inbox alone, whose batches are large. */
  inboxRedis: Redis;
  inboxBytesMax: number;
  /** The signer's client; HTTP by default. */
  signer?: Signer;
}

/** The user agent of polls. A socket has that of its bundle. */
const USER_AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const POLL_TIMEOUT_MS = 10_000;
const UNAPPENDED_MS_MAX = 15_000;
/** What the store may take to confirm the last events before the process ends. */
const CONFIRM_MS = 1_000;

/** One ingest worker: everything between sockets and the inbox, composed. */
export class Worker {
  /** Its name: configured, else host and process id. */
  readonly name: string;
  private readonly supervisor: Supervisor;
  private readonly producer: InboxProducer;

  constructor(private readonly options: WorkerOptions) {
    const { config, logger, metrics, readiness, redis, inboxRedis } = options;
    this.name =
      config.workerId ||
      `${hostname()
        .replace(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 48)}-${process.pid}`;
    const run = `${this.name}-${Date.now().toString(36)}${randomBytes(3).toString('hex')}`;
    const keys = new LogKeys(config.redisPrefix, config.partitions);
    const producer = new InboxProducer({
      redis: inboxRedis,
      keys,
      run,
      flushMs: config.flushMs,
      retainBytesMax: config.retainBytesMax,
      inboxBytesMax: options.inboxBytesMax,
      logger,
      onRefused: ({ id, creatorId, type }) =>
        logger.debug({ id, creator: creatorId, type }, 'an event was refused: its creator has a new holder'),
    });
    const observed = new IngestMetrics(metrics);
    const services = this.services(producer, observed);
    const leases = new LeaseManager({
      redis,
      keys,
      worker: run,
      ttlMs: config.leaseTtlMs,
      logger,
      onLost: (lease) => this.supervisor.lost(lease),
      onRestored: (lease) => this.supervisor.restored(lease),
    });
    const place = { redis, prefix: config.redisPrefix };
    this.producer = producer;
    this.supervisor = new Supervisor({
      worker: this.name,
      capacity: config.workerCapacity,
      leaseTtlMs: config.leaseTtlMs,
      leases,
      projection: new CreatorProjection(place),
      statuses: new StatusBoard(place),
      workers: new WorkerBoard({ ...place, leaseTtlMs: config.leaseTtlMs }),
      producer,
      services,
      logger,
    });
    observed.watch({ supervisor: this.supervisor, producer, leases, signs: services.signs, polls: services.polls });
    readiness.add('redis', () => (redis.status === 'ready' ? undefined : `Redis is ${redis.status}`));
    readiness.add('leases', () => {
      const { silentPartitions } = leases.stats();
      return silentPartitions === 0 ? undefined : `leases of ${silentPartitions} partitions cannot be renewed`;
    });
    readiness.add('inbox', () => this.unappended());
  }

  start(): void {
    this.producer.start();
    this.supervisor.start();
    this.options.logger.info({ worker: this.name, capacity: this.options.config.workerCapacity }, 'worker started');
  }

  /** Hands everything over and waits briefly for the store: about 4 s at most. */
  async stop(): Promise<void> {
    const startedAt = performance.now();
    await this.supervisor.stop();
    const isConfirmed = await this.producer.confirmed(AbortSignal.timeout(CONFIRM_MS));
    await this.producer.stop();
    const { bytes: _bytes, ...counts } = this.producer.stats();
    this.options.logger.info(
      { worker: this.name, isConfirmed, ...counts, tookMs: Math.round(performance.now() - startedAt) },
      'worker stopped',
    );
  }

  /** Says what is wrong when events are received but do not reach the inbox. */
  private unappended(): string | undefined {
    const { oldestUnappendedAt } = this.producer.stats();
    if (oldestUnappendedAt === undefined) return undefined;
    const ageMs = Date.now() - oldestUnappendedAt;
    if (ageMs <= UNAPPENDED_MS_MAX) return undefined;
    const { received, appended } = this.supervisor.counters();
    return `events are received (${received} messages) but not appended (${appended} events) for ${Math.round(ageMs / 1000)} s`;
  }

  private services(producer: InboxProducer, observed: IngestMetrics): SessionServices {
    const { config, logger } = this.options;
    const clock = systemClock;
    const signer = this.options.signer ?? new HttpSigner({ url: config.signerUrl, apiKey: config.signerKey });
    const signs = new SignDesk({ signer, perMinuteMax: config.signPerMinute, clock });
    const resolver = new RoomResolver({
      webUrl: config.tiktokWebUrl,
      webcastUrl: config.tiktokWebcastUrl,
      userAgent: USER_AGENT,
      timeoutMs: POLL_TIMEOUT_MS,
      signRoomId: (uniqueId, signal) => signs.roomId(uniqueId, signal),
    });
    const allowedHosts = simulatorHosts([config.tiktokWebUrl, config.tiktokWebcastUrl, config.tiktokSocketUrl]);
    return {
      worker: this.name,
      clock,
      logger,
      timing: { ...SESSION_TIMING, pollMs: config.pollMs, silenceMs: config.silenceMs },
      polls: new PollDesk({ resolver, perSecondMax: config.pollsPerSecond, clock }),
      signs,
      appender: producer,
      totals: { received: 0, decoded: 0 },
      link: (link) => new RoomSession({ ...link, logger, allowedHosts }),
      normaliser: ({ record, ...seed }) =>
        new RoomNormaliser({
          ...seed,
          creatorId: record.id,
          handle: record.uniqueId,
          keepRaw: record.options.raw ?? config.storeRaw,
          types: record.options.types,
        }),
      isGated: async (roomId, signal) => (await resolver.roomInfo(roomId, signal)).kind === 'gated',
      onGap: (reason) => observed.gap(reason),
      onReconnect: () => observed.reconnect(),
      onConnectionEnd: (end) => observed.connectionEnd(end),
    };
  }
}

/** Hosts of the configured addresses that are not TikTok's: the simulator's, which bundles may then point to. */
function simulatorHosts(addresses: readonly string[]): string[] {
  return addresses
    .map((address) => new URL(address))
    .flatMap(({ hostname: name, host }) => (/(^|\.)tiktok\.com$/.test(name) ? [] : [host]));
}
