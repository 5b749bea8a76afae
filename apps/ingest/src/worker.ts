import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import {
  CreatorProjection,
  purgeRemovedCreators,
  LeaseManager,
  HandoverOffers,
  openSecrets,
  StatusStore,
  WorkerRegistry,
} from '@tributary/creators';
import { InboxProducer, LogKeys } from '@tributary/log';
import { type Config, type Logger, type Metrics, type Readiness, SecretBox } from '@tributary/runtime';
import { HttpSigner, type Signer } from '@tributary/signing';
import { GiftPrices, proxyDispatcher, RoomNormaliser, RoomConnection, RoomResolver } from '@tributary/webcast';
import type { Redis } from 'ioredis';
import { BackPressure } from './session/back-pressure.js';
import { systemClock } from './pacing/clock.js';
import { Drift } from './status/pipeline-lag.js';
import { IngestMetrics } from './status/ingest-metrics.js';
import { LostEvents } from './status/lost-events.js';
import { PollDesk } from './discovery/liveness-poller.js';
import { SESSION_TIMING, type SessionServices } from './session/session-services.js';
import { ProxyRoutes } from './signing/proxy-routes.js';
import { SignDesk } from './signing/sign-scheduler.js';
import { Supervisor } from './handover/supervisor.js';

export interface WorkerOptions {
  config: Config;
  logger: Logger;
  metrics: Metrics;
  readiness: Readiness;
  /** For leases, projection and boards. */
  redis: Redis;
  /** For the inbox alone, whose batches are large. */
  inboxRedis: Redis;
  /** For subscriptions alone: hears at once what other workers offer. */
  wakeRedis?: Redis;
  inboxBytesMax: number;
  /** The signer's client; HTTP by default. */
  signer?: Signer;
}

/** The user agent of polls. A socket has that of its bundle. */
const USER_AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';
const POLL_TIMEOUT_MS = 10_000;
const SAMPLE_MS = 1_000;
/** How long sockets may stay unread: TikTok's own beats are 10 s apart. */
const PAUSE_MS_MAX = 10_000;
/** A stop that takes longer than this puts what is not confirmed on disk as it comes, should the process be ended. */
const SECURE_AFTER_MS = 4_000;
/** What the store may take to confirm the last events before the process ends. */
const CONFIRM_MS = 1_000;
/** How long Redis remembers a removed creator that nobody holds. */
const REMEMBER_REMOVED_MS = 3_600_000;

/** One ingest worker: everything between sockets and the inbox, composed. */
export class Worker {
  /** Its name: configured, else host and process id. */
  readonly name: string;
  private readonly supervisor: Supervisor;
  private readonly polls: PollDesk;
  private readonly proxies: ProxyRoutes;
  private readonly producer: InboxProducer;
  private readonly pressure: BackPressure;
  private readonly lost: LostEvents;
  private readonly drift = new Drift();
  private readonly totals = { received: 0, unreadFrames: 0, undecodable: 0, decoded: 0 };
  private sampler: NodeJS.Timeout | undefined;

  constructor(private readonly options: WorkerOptions) {
    const { config, logger, metrics, readiness, redis, inboxRedis } = options;
    this.name =
      config.workerId ||
      `${hostname()
        .replace(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 48)}-${process.pid}`;
    const run = `${this.name}-${Date.now().toString(36)}${randomBytes(3).toString('hex')}`;
    const keys = new LogKeys(config.redisPrefix, config.partitions);
    const pressure = new BackPressure({ pauseMsMax: PAUSE_MS_MAX, logger });
    this.pressure = pressure;
    const producer = new InboxProducer({
      redis: inboxRedis,
      keys,
      run,
      flushMs: config.flushMs,
      retainBytesMax: config.retainBytesMax,
      inboxBytesMax: options.inboxBytesMax,
      spool: config.spoolDir === '' ? undefined : { dir: config.spoolDir, bytesMax: config.spoolBytesMax },
      logger,
      onPressure: (isHigh) => pressure.press(isHigh),
      onRefused: (event, isUntold) => {
        if (isUntold && event.roomId !== '') this.lost.add(event);
        const { id, creatorId, type } = event;
        logger.debug({ id, creator: creatorId, type, isUntold }, 'an event was refused: its creator has a new holder');
      },
      onReplayLost: (stretch) => this.lost.addStretch(stretch),
      onLost: (partition, from, to) => this.supervisor.lostOnDisk((id) => keys.partitionOf(id) === partition, from, to),
    });
    this.lost = new LostEvents({
      appender: producer,
      now: () => systemClock.now(),
      handleOf: (id) => this.supervisor.handleOf(id),
    });
    const observed = new IngestMetrics(metrics);
    this.proxies = new ProxyRoutes(config, logger);
    const services = this.services(producer, observed);
    this.polls = services.polls;
    const place = { redis, prefix: config.redisPrefix };
    const projection = new CreatorProjection(place);
    const leases = new LeaseManager({
      redis,
      keys,
      worker: run,
      ttlMs: config.leaseTtlMs,
      logger,
      lastSeen: (ids) => projection.lastSeen(ids),
      onLost: (lease) => this.supervisor.lost(lease),
      onRestored: (lease) => this.supervisor.restored(lease),
    });
    this.producer = producer;
    this.supervisor = new Supervisor({
      worker: this.name,
      run,
      capacity: config.workerCapacity,
      leaseTtlMs: config.leaseTtlMs,
      leases,
      projection,
      statuses: new StatusStore(place),
      workers: new WorkerRegistry({ ...place, leaseTtlMs: config.leaseTtlMs }),
      offers: new HandoverOffers({ redis, keys, worker: run, leaseTtlMs: config.leaseTtlMs, channel: `${config.redisPrefix}:offers` }),
      wake: options.wakeRedis,
      forget: (isMonitored) => purgeRemovedCreators({ redis, keys }, isMonitored, REMEMBER_REMOVED_MS),
      producer,
      services,
      logger,
    });
    observed.watch({ supervisor: this.supervisor, leases, signs: services.signs, polls: services.polls });
    observed.watchFlow({ totals: this.totals, producer, pressure });
    readiness.add('redis', () => (redis.status === 'ready' ? undefined : `Redis is ${redis.status}`));
    readiness.add('leases', () => {
      const { silentPartitions } = leases.stats();
      return silentPartitions === 0 ? undefined : `leases of ${silentPartitions} partitions cannot be renewed`;
    });
    for (const stage of ['decode', 'memory', 'inbox', 'store'] as const) readiness.add(stage, () => this.drift.report(Date.now())[stage]);
    readiness.add('spool', () => producer.spoolProblem());
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

  /** Hands everything over and waits briefly for the store: about 10 s at most, and 4 s where nobody is there to take it. */
  async stop(): Promise<void> {
    const startedAt = performance.now();
    const secure = setTimeout(() => this.producer.secure(), SECURE_AFTER_MS);
    this.pressure.stop();
    await this.supervisor.stop();
    await this.polls.stop();
    this.proxies.close();
    this.lost.tell();
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
    const told = this.lost.tell();
    if (told > 0) this.options.logger.warn({ gaps: told }, 'events are lost that no new holder knows of; recorded as gaps');
    const { taken, appended, confirmed, turnedAway } = this.producer.stats();
    const { received, undecodable } = this.totals;
    this.drift.sample({ received, undecodable, turnedAway, taken, appended, confirmed }, Date.now());
  }

  private services(producer: InboxProducer, observed: IngestMetrics): SessionServices {
    const { config, logger } = this.options;
    const clock = systemClock;
    const signer = this.options.signer ?? new HttpSigner({ url: config.signerUrl, apiKey: config.signerKey });
    const box = config.creatorSecretKey === '' ? undefined : new SecretBox(config.creatorSecretKey, 'CREATOR_SECRET_KEY');
    const secrets: SessionServices['secrets'] = (creator) => openSecrets(box, creator);
    const routes = this.proxies;
    const signs = new SignDesk({ signer, perMinuteMax: config.signPerMinute, clock, secrets });
    const resolver = new RoomResolver({
      webUrl: config.tiktokWebUrl,
      webcastUrl: config.tiktokWebcastUrl,
      userAgent: USER_AGENT,
      timeoutMs: POLL_TIMEOUT_MS,
      signRoomId: (uniqueId, signal) => signs.roomId(uniqueId, signal),
    });
    const polls = new PollDesk({
      resolver,
      perSecondMax: config.pollsPerSecond,
      clock,
      dispatcher: (proxy) => proxyDispatcher(routes.to(proxy)),
    });
    const prices = new GiftPrices();
    const allowedHosts = simulatorHosts([config.tiktokWebUrl, config.tiktokWebcastUrl, config.tiktokSocketUrl]);
    return {
      worker: this.name,
      clock,
      logger,
      timing: { ...SESSION_TIMING, pollMs: config.pollMs, silenceMs: config.silenceMs },
      polls,
      signs,
      appender: producer,
      totals: this.totals,
      secrets,
      link: (link) => {
        const session: RoomConnection = new RoomConnection({
          ...link,
          proxy: link.bundle.proxy === undefined ? undefined : routes.to(link.bundle.proxy),
          logger,
          allowedHosts,
          onOpen: () => {
            this.pressure.add(session);
            link.onOpen();
          },
          onClose: (end) => {
            this.pressure.remove(session);
            link.onClose(end);
          },
        });
        return session;
      },
      normaliser: ({ record, ...seed }) =>
        new RoomNormaliser({
          ...seed,
          creatorId: record.id,
          handle: record.uniqueId,
          userId: record.userId,
          prices,
          keepRaw: record.options.raw ?? config.storeRaw,
          types: record.options.types,
        }),
      isGated: (roomId, signal, proxy) => polls.isGated(roomId, signal, proxy),
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
