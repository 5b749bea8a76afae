import { backoffMs, type Logger, pause, reasonOf, type SecretBox, Semaphore } from '@tributary/runtime';
import type { Pool } from 'pg';
import { type Loop, startLoop } from '../loop.js';
import type { DisabledReason, EndpointState } from './endpoint/endpoint.js';
import { OutboundEventReader } from './request/outbound-events.js';
import type { GuardedHttp } from '../outbound/guarded-http.js';
import { EventLoader } from './request/event-loader.js';
import { FairQueue } from '../store/pool/fair-queue.js';
import { FairSemaphore } from './pipeline/limits.js';
import { type RetryPolicy, RETRY_POLICY } from './request/retry-policy.js';
import { EndpointClaims, type HeldRow } from './claims.js';
import { loadEndpoint } from './endpoint/endpoint-load.js';
import { EndpointPipeline, type PipelineParts } from './pipeline/endpoint-pipeline.js';
import { EndpointStateStore } from './endpoint/endpoint-state.js';
import type { DeliveryMetrics } from './upkeep/metrics.js';
import { DeliveryPlanner } from './pipeline/planner.js';
import { DeliveryReplacer } from './pipeline/delivery-replacer.js';
import { Recorder } from './pipeline/recorder.js';

export interface DeliveryEngineOptions {
  pool: Pool;
  hub: PipelineParts['hub'];
  box: SecretBox;
  http: GuardedHttp;
  metrics: DeliveryMetrics;
  logger: Logger;
  /** Requests on the wire at a time. */
  sendsMax: number;
  policy?: RetryPolicy;
  /** A process that has not renewed for this long has lost its claims. */
  ttlMs?: number;
  /** How often it renews, lets positions pass what does not match, and looks for changed endpoints. */
  tickMs?: number;
  /** Time that requests on the wire get when the process stops. */
  stopMs?: number;
  /** Called with endpoints that this process has released and another one should claim. */
  wakeElsewhere?(ids: string[]): void;
}

/** Queries of cursors that catch up, at a time: they must not take the whole pool. */
const READS_MAX = 3;
/** More than this above the fair share is given to others. */
const SLACK = { least: 2, share: 0.1 };
const BEGIN_AGAIN_MS = 5_000;
const RELOAD = { firstMs: 100, maxMs: 5_000 };
const DROP_WAIT_MS = 60_000;

/** Webhook delivery in one process: serves the endpoints that it has claimed, each with a pipeline, and holds what they share. */
export class DeliveryEngine {
  readonly sends: FairSemaphore;
  private readonly claims: EndpointClaims;
  private readonly endpointStates: EndpointStateStore;
  private readonly served = new Map<string, EndpointPipeline>();
  /** Not served here any more; their requests on the wire are still waited for. */
  private readonly dropped = new Set<EndpointPipeline>();
  private readonly starting = new Map<string, Promise<boolean>>();
  private readonly reloading = new Set<EndpointPipeline>();
  /** Claimed endpoints that could not be read, and when they are tried again, by the monotonic clock. */
  private readonly resting = new Map<string, number>();
  private readonly planner: DeliveryPlanner;
  private readonly recorder: Recorder;
  private readonly parts: PipelineParts;
  private readonly stopping = new AbortController();
  /** Endpoints of the whole system by state, as last seen. */
  states: Record<EndpointState, number> = { enabled: 0, paused: 0, disabled: 0 };
  private loop: Loop | undefined;
  private share = Infinity;
  /** All endpoints are read again when a generation of the log begins: few at a time. */
  private readonly loads = new Semaphore({ concurrency: READS_MAX });

  constructor(private readonly options: DeliveryEngineOptions) {
    const { pool, hub, http, metrics, logger, sendsMax, policy = RETRY_POLICY, ttlMs = 10_000 } = options;
    this.claims = new EndpointClaims(pool, ttlMs);
    const { runner } = this.claims;
    this.endpointStates = new EndpointStateStore(pool, runner);
    this.sends = new FairSemaphore(sendsMax);
    this.planner = new DeliveryPlanner({ pool, runner, lost: ({ endpointId }) => this.reloadAll([endpointId]), logger });
    this.recorder = new Recorder({ pool, refused: (ids) => this.reloadAll(ids), logger });
    const entries = new OutboundEventReader(pool);
    const loader = new EventLoader(entries);
    const replacer = new DeliveryReplacer(pool, () => this.recorder.settled());
    // One read of each cursor at most waits, so that their number is that of the endpoints.
    const reads = new FairQueue({ runningMax: READS_MAX, perTenantRunningMax: READS_MAX, waitingMax: Infinity });
    this.parts = {
      hub,
      entries,
      http,
      sends: this.sends,
      policy,
      recorder: this.recorder,
      planner: this.planner,
      logger,
      claims: this.claims,
      read: (owner, work) => reads.run(owner ?? 'the operator', { waitingMax: Infinity }, work),
      loadEvents: (wanted) => loader.load(wanted),
      replace: (replaced) => replacer.replace(replaced),
      outdated: (pipeline) => void this.reload(pipeline),
      disable: (pipeline, reason, since) => this.disable(pipeline, reason, since),
      expired: (pipeline, oldest) => void this.skipExpired(pipeline, oldest),
      observe: (attempt) => metrics.attempted(attempt),
    };
    metrics.watch(this);
  }

  start(): void {
    const { tickMs = 1_000, logger } = this.options;
    this.loop = startLoop({ name: 'webhook delivery', everyMs: tickMs, logger }, () => this.tick());
  }

  /** Sends nothing new, waits a moment for what is on the wire, writes down what is known, and releases every endpoint. */
  async stop(): Promise<void> {
    const { stopMs = 4_000, http, logger } = this.options;
    this.stopping.abort();
    await this.loop?.stop();
    await Promise.allSettled(this.starting.values());
    const pipelines = [...this.served.values()];
    await Promise.all([...pipelines, ...this.dropped].map((pipeline) => pipeline.stop(stopMs)));
    await http.close();
    await this.planner.settled();
    try {
      await this.recorder.stop(2_000);
      await this.endpointStates.writeHealth(new Map(pipelines.map(({ id, health }) => [id, health.stored])));
      await this.claims.leave();
    } catch (error) {
      logger.warn({ reason: reasonOf(error) }, 'webhook endpoints could not be released; others take them over');
    }
    this.served.clear();
  }

  /** Endpoints that this process serves. */
  get pipelines(): Iterable<EndpointPipeline> {
    return this.served.values();
  }

  get count(): number {
    return this.served.size;
  }

  serves(id: string): boolean {
    return this.served.has(id);
  }

  /** Newest position of the log as this process last saw it. */
  get head(): number {
    return this.options.hub.head();
  }

  /** Whether it should claim more. */
  get hasRoom(): boolean {
    return this.served.size < this.share + slackOf(this.share);
  }

  /** Results that are not written down yet. */
  get unrecorded(): number {
    return this.recorder.size;
  }

  /** Whether others have not had the time to claim what this process holds. */
  get alive(): boolean {
    return this.claims.isAlive;
  }

  /** Endpoints that should be served, and that nobody alive has claimed; at most `limit`. */
  unclaimed(limit: number): Promise<string[]> {
    return this.claims.unclaimed(limit);
  }

  /** Somebody has changed an endpoint, or it should be served: claims it, or loads it again. */
  async wake(id: string): Promise<void> {
    if (!this.loop || this.stopping.signal.aborted) return;
    const pipeline = this.served.get(id);
    if (pipeline) return this.reload(pipeline);
    const under = this.starting.get(id) ?? this.begin(id).finally(() => this.starting.delete(id));
    this.starting.set(id, under);
    await under;
  }

  /** Claims an endpoint and serves it. One that cannot be read holds up no other: it is tried again after a while. */
  private async begin(id: string): Promise<boolean> {
    if (!(await this.claims.claim(id)) || (this.resting.get(id) ?? 0) > performance.now()) return false;
    try {
      const load = await this.load(id);
      if (!load || this.stopping.signal.aborted || this.served.has(id)) return false;
      this.served.set(id, new EndpointPipeline(load, this.parts));
      this.resting.delete(id);
      return true;
    } catch (error) {
      const { logger } = this.options;
      if (!this.resting.has(id)) logger.error({ err: error, endpoint: id }, 'a webhook endpoint cannot be served; trying again');
      this.resting.set(id, performance.now() + BEGIN_AGAIN_MS);
      return false;
    }
  }

  private load(id: string): ReturnType<typeof loadEndpoint> {
    return loadEndpoint(this.options.pool, this.options.box, id);
  }

  private async tick(): Promise<void> {
    const began = performance.now();
    const { held, runners, states } = await this.claims.renew();
    this.states = states;
    // Alone it takes all there are, those that are just being made too.
    this.share = runners > 1 ? Math.ceil(states.enabled / runners) : Infinity;
    await this.reconcile(held, began);
    // Only now it is known what others have taken over while this process could not renew.
    this.claims.confirm(began);
    this.planner.skip([...this.served.values()].flatMap(({ cursors }) => cursors));
    await this.writeHealth();
    await this.recorder.removeBatches();
    for (const pipeline of this.served.values()) await this.endReplay(pipeline);
    await this.balance(runners);
  }

  private async writeHealth(): Promise<void> {
    const changed = [...this.served.values()].filter(({ health }) => health.changed);
    for (const { health } of changed) health.changed = false;
    try {
      const stored = () => new Map(changed.map(({ id, health }) => [id, health.stored]));
      await this.planner.runExclusive(() => this.endpointStates.writeHealth(stored()));
    } catch (error) {
      for (const { health } of changed) health.changed = true;
      throw error;
    }
  }

  /** Makes what is served here equal to the claims in the database. */
  private async reconcile(rows: readonly HeldRow[], began: number): Promise<void> {
    const claimed = new Map(rows.map((row) => [row.id, row]));
    for (const pipeline of [...this.served.values()]) {
      const row = claimed.get(pipeline.id);
      if (!row && pipeline.startedAt < began) {
        this.drop(pipeline);
        this.options.logger.info({ endpoint: pipeline.id }, 'a webhook endpoint is served elsewhere now, or is gone');
      } else if (row && row.state !== 'enabled') {
        this.drop(pipeline);
        await this.claims.release([pipeline.id]);
      } else if (row?.lapsed) await this.disable(pipeline, 'owner', began);
      else if (row && row.version !== pipeline.endpoint.version) void this.reload(pipeline);
    }
    for (const { id, state } of rows) {
      if (this.served.has(id) || this.starting.has(id)) continue;
      if (state === 'enabled') await this.wake(id);
      else await this.claims.release([id]);
    }
  }

  private drop(pipeline: EndpointPipeline): void {
    if (this.served.get(pipeline.id) === pipeline) this.served.delete(pipeline.id);
    // What is on the wire ends by itself and is written down.
    this.dropped.add(pipeline);
    void pipeline.stop(DROP_WAIT_MS).finally(() => this.dropped.delete(pipeline));
  }

  private async endReplay(pipeline: EndpointPipeline): Promise<void> {
    const replay = pipeline.replayCursor;
    if (replay?.isFinished && (await this.endpointStates.endReplay(replay.id))) void this.reload(pipeline);
  }

  /** Moves a cursor behind what retention has taken from it, and publishes an event about it. */
  private async skipExpired(pipeline: EndpointPipeline, oldest: number): Promise<void> {
    pipeline.pause();
    const { logger } = this.options;
    const { position } = pipeline.lag;
    const positions = oldest - 1 - position;
    const data = { endpoint: pipeline.id, reason: 'expired', message: 'events past their retention were not delivered', positions };
    try {
      await this.planner.settled();
      if (await this.endpointStates.skipExpired(pipeline.id, position, oldest - 1, data))
        logger.error({ endpoint: pipeline.id, positions }, 'a webhook endpoint lost events to retention');
    } catch (error) {
      // Read again, it finds the same.
      logger.warn({ endpoint: pipeline.id, reason: reasonOf(error) }, 'a webhook position could not be moved');
    }
    await this.reload(pipeline);
  }

  /** Gives endpoints that have nothing to do to processes that serve fewer. */
  private async balance(runners: number): Promise<void> {
    const above = this.served.size - this.share;
    if (runners < 2 || above <= slackOf(this.share)) return;
    const surplus = [...this.served.values()].filter(({ isQuiet }) => isQuiet).slice(0, Math.ceil(above / 4));
    for (const pipeline of surplus) this.drop(pipeline);
    const ids = surplus.map(({ id }) => id);
    if (ids.length === 0) return;
    await this.claims.release(ids);
    this.options.wakeElsewhere?.(ids);
  }

  /** Loads endpoints again. */
  private reloadAll(ids: Iterable<string>): void {
    for (const id of ids) {
      const pipeline = this.served.get(id);
      if (pipeline) void this.reload(pipeline);
    }
  }

  /** Loads an endpoint again, until that has worked. */
  private async reload(pipeline: EndpointPipeline): Promise<void> {
    if (this.reloading.has(pipeline)) return;
    this.reloading.add(pipeline);
    pipeline.pause();
    try {
      for (let failures = 0; this.served.get(pipeline.id) === pipeline && !this.stopping.signal.aborted;) {
        try {
          if (!(await pipeline.reload(() => this.loads.run(() => this.load(pipeline.id))))) this.drop(pipeline);
          return;
        } catch (error) {
          const about = { endpoint: pipeline.id, reason: reasonOf(error) };
          if (failures === 0) this.options.logger.warn(about, 'a webhook endpoint cannot be read; trying again');
          await pause(backoffMs(failures++, RELOAD), this.stopping.signal);
        }
      }
    } finally {
      this.reloading.delete(pipeline);
    }
  }

  private async disable(pipeline: EndpointPipeline, reason: DisabledReason, since: number): Promise<void> {
    const { logger } = this.options;
    const messages: Record<DisabledReason, string> = {
      gone: 'the receiver answered 410 Gone',
      failing: `every attempt has failed since ${new Date(since).toISOString()}`,
      owner: 'the key that it belongs to was revoked, or has expired',
    };
    const message = messages[reason];
    try {
      if (!(await this.endpointStates.disable(pipeline.id, reason, { endpoint: pipeline.id, reason, message }))) return;
      logger.error({ endpoint: pipeline.id, reason }, `a webhook endpoint was disabled: ${message}`);
      pipeline.pause();
    } catch (error) {
      // The next failure of the endpoint tries again.
      logger.warn({ endpoint: pipeline.id, reason: reasonOf(error) }, 'a webhook endpoint could not be disabled yet');
    }
  }
}

function slackOf(share: number): number {
  return Math.max(SLACK.least, Math.ceil(share * SLACK.share));
}
