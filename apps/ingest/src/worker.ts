import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import {
  CreatorProjection,
  HandoverOffers,
  LeaseManager,
  openSecrets,
  purgeRemovedCreators,
  StatusStore,
  WorkerRegistry,
} from '@tributary/creators';
import { InboxProducer, LogKeys } from '@tributary/log';
import { type Config, type Logger, type Metrics, type Readiness, SecretBox } from '@tributary/runtime';
import { HttpSigner, type Signer } from '@tributary/signing';
import { proxyDispatcher, RoomResolver } from '@tributary/webcast';
import type { Redis } from 'ioredis';
import { LivenessPoller, type LivenessPollerOptions } from './discovery/liveness-poller.js';
import { Supervisor } from './handover/supervisor.js';
import { systemClock as clock } from './pacing/clock.js';
import { BackPressure } from './pacing/back-pressure.js';
import { CreatorSession, type SessionServices } from './session/creator-session.js';
import { WebcastRooms } from './session/webcast-rooms.js';
import { ProxyRoutes } from './signing/proxy-routes.js';
import { SignScheduler } from './signing/sign-scheduler.js';
import { IngestMetrics } from './status/ingest-metrics.js';
import { LostEvents } from './status/lost-events.js';
import { PipelineLag } from './status/pipeline-lag.js';

export interface WorkerOptions {
  config: Config;
  logger: Logger;
  metrics: Metrics;
  readiness: Readiness;
  /** For leases, projection, statuses and offers. */
  redis: Redis;
  /** For the inbox alone, whose batches are large. */
  inboxRedis: Redis;
  /** For subscriptions alone: offers of other workers are noticed at once. */
  subscriber?: Redis;
  inboxBytesMax: number;
  /** The signer's client; HTTP by default. */
  signer?: Signer;
}

/** The user agent of polls. A socket uses that of its bundle. */
const USER_AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const POLL_TIMEOUT_MS = 10_000;
const SAMPLE_MS = 1_000;
/** How long sockets may stay unread: TikTok's own heartbeats are 10 s apart. */
const PAUSE_MS_MAX = 10_000;
/** After this time a stop writes unconfirmed events to disk as they come, in case the process is killed. */
const SECURE_AFTER_MS = 4_000;
/** What the store may take to confirm the last events before the process ends. */
const CONFIRM_MS = 1_000;
/** How long Redis keeps data of a removed creator that nobody holds. */
const REMOVED_KEEP_MS = 3_600_000;

/** Composes one ingest worker: everything between sockets and the inbox. */
export class Worker {
  /** Its name: configured, else host and process id. */
  readonly name: string;
  private readonly run: string;
  private readonly keys: LogKeys;
  private readonly pressure: BackPressure;
  private readonly producer: InboxProducer;
  private readonly metrics: IngestMetrics;
  private readonly proxies: ProxyRoutes;
  private readonly poller: LivenessPoller;
  private readonly supervisor: Supervisor;
  private readonly lost: LostEvents;
  private readonly lag = new PipelineLag();
  private sampler: NodeJS.Timeout | undefined;

  constructor(private readonly options: WorkerOptions) {
    const { config, logger } = options;
    this.name =
      config.workerId ||
      `${hostname()
        .replaceAll(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 48)}-${process.pid}`;
    this.run = `${this.name}-${Date.now().toString(36)}${randomBytes(3).toString('hex')}`;
    this.keys = new LogKeys(config.redisPrefix, config.partitions);
    this.pressure = new BackPressure({ pauseMsMax: PAUSE_MS_MAX, logger });
    this.producer = this.makeProducer();
    this.metrics = new IngestMetrics(options.metrics);
    this.lost = new LostEvents({ log: this.producer, now: () => clock.now(), handleOf: (id) => this.supervisor.handleOf(id) });
    this.proxies = new ProxyRoutes(config, logger);
    const box = config.creatorSecretKey === '' ? undefined : new SecretBox(config.creatorSecretKey, 'CREATOR_SECRET_KEY');
    const secrets: LivenessPollerOptions['secrets'] = (creator) => openSecrets(box, creator);
    const client = options.signer ?? new HttpSigner({ url: config.signerUrl, apiKey: config.signerKey });
    const signer = new SignScheduler({ signer: client, perMinuteMax: config.signPerMinute, clock, secrets });
    this.poller = this.makePoller(signer, secrets);
    const leases = this.makeLeases();
    this.supervisor = this.makeSupervisor(signer, leases);
    this.metrics.watchCreators({ supervisor: this.supervisor, leases, signer, poller: this.poller });
    this.metrics.watchPipeline({ producer: this.producer, pressure: this.pressure });
    this.addReadiness(leases);
  }

  start(): void {
    const { config, logger } = this.options;
    this.producer.start();
    this.supervisor.start();
    this.sampler = setInterval(() => this.sample(), SAMPLE_MS);
    logger.info({ worker: this.name, capacity: config.workerCapacity, spool: config.spoolDir }, 'worker started');
    if (config.spoolDir === '' || config.spoolBytesMax === 0)
      logger.warn(
        {},
        'no spool (SPOOL_DIR, SPOOL_BYTES_MAX): events that Redis does not take are in memory only, and end with the process',
      );
  }

  /** Hands everything over and waits briefly for the store: about 10 s at most, and 4 s where no other worker takes anything. */
  async stop(): Promise<void> {
    const startedAt = performance.now();
    const secure = setTimeout(() => this.producer.secure(), SECURE_AFTER_MS);
    this.pressure.stop();
    await this.supervisor.stop();
    await this.poller.stop();
    this.proxies.close();
    this.lost.publishGaps();
    const isConfirmed = await this.producer.confirmed(AbortSignal.timeout(CONFIRM_MS));
    clearTimeout(secure);
    clearInterval(this.sampler);
    await this.producer.stop();
    const { bytes: _bytes, ...counts } = this.producer.stats();
    this.options.logger.info(
      { worker: this.name, isConfirmed, ...counts, tookMs: Math.round(performance.now() - startedAt) },
      'worker stopped',
    );
  }

  private sample(): void {
    const gaps = this.lost.publishGaps();
    if (gaps > 0) this.options.logger.warn({ gaps }, 'events of creators that no worker reports are lost; recorded as gaps');
    const { taken, appended, confirmed, turnedAway } = this.producer.stats();
    const { received, undecodable } = this.metrics.totals;
    this.lag.sample({ received, undecodable, turnedAway, taken, appended, confirmed }, Date.now());
  }

  private makeProducer(): InboxProducer {
    const { config, logger, inboxRedis, inboxBytesMax } = this.options;
    const { keys, run } = this;
    return new InboxProducer({
      redis: inboxRedis,
      keys,
      run,
      flushMs: config.flushMs,
      retainBytesMax: config.retainBytesMax,
      inboxBytesMax,
      spool: config.spoolDir === '' ? undefined : { dir: config.spoolDir, bytesMax: config.spoolBytesMax },
      logger,
      onMemoryShort: (isShort) => this.pressure.setMemoryShort(isShort),
      onRefused: (event, isUnreported) => {
        if (isUnreported && event.roomId !== '') this.lost.addRefused(event);
        const { id, creatorId, type } = event;
        logger.debug({ id, creator: creatorId, type, isUnreported }, 'an event was refused: its creator has a new holder');
      },
      onReplayLost: (period) => this.lost.addPeriod(period),
      onLost: (partition, from, to) => this.supervisor.heldCreators.lostOnDisk((id) => keys.partitionOf(id) === partition, from, to),
    });
  }

  private makePoller(signer: SignScheduler, secrets: LivenessPollerOptions['secrets']): LivenessPoller {
    const { config } = this.options;
    const resolver = new RoomResolver({
      webUrl: config.tiktokWebUrl,
      webcastUrl: config.tiktokWebcastUrl,
      userAgent: USER_AGENT,
      timeoutMs: POLL_TIMEOUT_MS,
      signRoomId: (uniqueId, signal) => signer.roomId(uniqueId, signal),
    });
    const dispatcher = (proxy: string) => proxyDispatcher(this.proxies.to(proxy));
    return new LivenessPoller({ resolver, perSecondMax: config.pollsPerSecond, clock, secrets, dispatcher });
  }

  private makeLeases(): LeaseManager {
    const { config, logger, redis } = this.options;
    const projection = new CreatorProjection({ redis, prefix: config.redisPrefix });
    return new LeaseManager({
      redis,
      keys: this.keys,
      worker: this.run,
      ttlMs: config.leaseTtlMs,
      logger,
      lastSeen: (ids) => projection.lastSeen(ids),
      onLost: (lease) => this.supervisor.heldCreators.lost(lease),
      onRestored: (lease) => this.supervisor.heldCreators.restored(lease),
    });
  }

  private makeSupervisor(signer: SignScheduler, leases: LeaseManager): Supervisor {
    const { config, logger, redis, subscriber } = this.options;
    const { keys, run, producer, name: worker } = this;
    const { leaseTtlMs } = config;
    const place = { redis, prefix: config.redisPrefix };
    const services = this.makeSessionServices(signer);
    return new Supervisor({
      worker,
      run,
      capacity: config.workerCapacity,
      leaseTtlMs,
      leases,
      projection: new CreatorProjection(place),
      statuses: new StatusStore(place),
      workers: new WorkerRegistry({ ...place, leaseTtlMs }),
      offers: new HandoverOffers({ redis, keys, worker: run, leaseTtlMs, channel: `${config.redisPrefix}:offers` }),
      subscriber,
      producer,
      clock,
      logger,
      standbys: services,
      newSession: (session) => new CreatorSession(session, services),
      counters: () => {
        const { received, decoded } = this.metrics.totals;
        const { appended, confirmed } = producer.stats();
        return { received, decoded, appended, confirmed };
      },
      purge: (isMonitored) => purgeRemovedCreators({ redis, keys }, isMonitored, REMOVED_KEEP_MS),
    });
  }

  private makeSessionServices(signer: SignScheduler): SessionServices {
    const { config, logger } = this.options;
    const allowedHosts = simulatorHosts([config.tiktokWebUrl, config.tiktokWebcastUrl, config.tiktokSocketUrl]);
    return {
      worker: this.name,
      clock,
      logger,
      log: this.producer,
      metrics: this.metrics,
      poller: this.poller,
      signer,
      rooms: new WebcastRooms({ logger, pressure: this.pressure, proxies: this.proxies, allowedHosts, keepRaw: config.storeRaw }),
      pollMs: config.pollMs,
      silenceMs: config.silenceMs,
    };
  }

  private addReadiness(leases: LeaseManager): void {
    const { readiness, redis } = this.options;
    readiness.add('redis', () => (redis.status === 'ready' ? undefined : `Redis is ${redis.status}`));
    readiness.add('leases', () => {
      const { silentPartitions } = leases.stats();
      return silentPartitions === 0 ? undefined : `leases of ${silentPartitions} partitions cannot be renewed`;
    });
    for (const stage of ['decode', 'memory', 'inbox', 'store'] as const) readiness.add(stage, () => this.lag.report(Date.now())[stage]);
    readiness.add('spool', () => this.producer.spoolProblem());
  }
}

/** Hosts of the configured addresses that are not TikTok's: the simulator's, to which bundles may then point. */
function simulatorHosts(addresses: readonly string[]): string[] {
  return addresses
    .map((address) => new URL(address))
    .flatMap(({ hostname: name, host }) => (/(^|\.)tiktok\.com$/.test(name) ? [] : [host]));
}
