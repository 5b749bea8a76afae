import { randomUUID } from 'node:crypto';
import { backoffMs, type Logger, pause, reasonOf, type SecretBox } from '@tributary/runtime';
import type { Pool } from 'pg';
import { type Loop, startLoop } from '../loop.js';
import { Cutter } from './cutter.js';
import { DeliveryIds, type DisabledReason, type EndpointState } from './endpoint.js';
import { EntryReader } from './entry.js';
import type { GuardedHttp } from './guard/guarded-http.js';
import { DeliveryLoader, Turnstile } from './loader.js';
import { LogTail } from './log-tail.js';
import type { WebhookMetrics } from './metrics.js';
import { SendGate } from './pace.js';
import { type RetryPolicy, RETRY_POLICY } from './retry.js';
import { EndpointRunner, type RunnerParts } from './runner.js';
import { Results } from './results.js';
import { type HeldRow, RunnerStore } from './runner-store.js';

export interface RunnersOptions {
  pool: Pool;
  hub: ConstructorParameters<typeof LogTail>[0]['hub'];
  box: SecretBox;
  http: GuardedHttp;
  metrics: WebhookMetrics;
  logger: Logger;
  /** Requests on the wire at a time. */
  sendsMax: number;
  policy?: RetryPolicy;
  /** A runner that has not renewed for this long has lost its claims. */
  ttlMs?: number;
  /** How often it renews, lets positions pass what does not match, and looks for changed endpoints. */
  tickMs?: number;
  /** Time that requests on the wire get when the process stops. */
  stopMs?: number;
  /** Called with endpoints that this runner has given up and somebody else should claim. */
  wakeElsewhere?(ids: string[]): void;
}

/** Queries of readers that catch up, at a time: they must not take the whole pool. */
const READS_MAX = 3;
/** More than this above the fair share is given to others. */
const SLACK = { least: 2, share: 0.1 };
const BEGIN_AGAIN_MS = 5_000;
const RELOAD = { firstMs: 100, maxMs: 5_000 };

/** The webhook runners of one process: claims, keeps and gives up endpoints, and holds what they share. */
export class Runners {
  readonly id = randomUUID();
  readonly gate: SendGate;
  private readonly store: RunnerStore;
  private readonly held = new Map<string, EndpointRunner>();
  /** Not run here any more; their requests on the wire are still waited for. */
  private readonly dropped = new Set<EndpointRunner>();
  private readonly starting = new Map<string, Promise<boolean>>();
  private readonly reloading = new Set<EndpointRunner>();
  /** Claimed endpoints that could not be read, and when they are tried again. */
  private readonly resting = new Map<string, number>();
  private readonly tail: LogTail;
  private readonly cutter: Cutter;
  private readonly results: Results;
  private readonly parts: RunnerParts;
  private readonly stopping = new AbortController();
  private readonly policy: RetryPolicy;
  private readonly ttlMs: number;
  /** Endpoints of the whole system by state, as last seen. */
  states: Record<EndpointState, number> = { enabled: 0, paused: 0, disabled: 0 };
  private loop: Loop | undefined;
  private headSeq = 0;
  private started = false;
  /** From when this process has renewed without a break; undefined while it has not. */
  private renewingSince: number | undefined;
  private renewedAt = -Infinity;
  private share = Infinity;
  /** All endpoints are read anew when a generation of the log begins: few at a time. */
  private readonly loads = new Turnstile(READS_MAX);

  constructor(private readonly options: RunnersOptions) {
    const { pool, hub, box, http, metrics, logger, sendsMax } = options;
    this.policy = options.policy ?? RETRY_POLICY;
    this.ttlMs = options.ttlMs ?? 10_000;
    this.store = new RunnerStore(pool, box, this.id);
    this.gate = new SendGate(sendsMax);
    this.tail = new LogTail({ hub, renewed: () => this.reloadAll(), logger });
    this.cutter = new Cutter({ store: this.store, lost: (runner) => void this.reload(runner), logger });
    this.results = new Results(this.store, logger, (ids) => this.reloadAll(ids));
    const entries = new EntryReader(pool);
    const loader = new DeliveryLoader(entries);
    const reads = new Turnstile(READS_MAX);
    this.parts = {
      tail: this.tail,
      entries,
      ids: new DeliveryIds(),
      http,
      gate: this.gate,
      policy: this.policy,
      results: this.results,
      cutter: this.cutter,
      logger,
      alive: () => this.alive,
      read: (work) => reads.run(work),
      load: (wanted) => loader.load(wanted),
      outdated: (runner) => void this.reload(runner),
      disable: (runner, reason, since) => this.disable(runner, reason, since),
      expired: (runner, oldest) => void this.skipExpired(runner, oldest),
      observe: (runner, attempt) => metrics.attempted(runner.id, attempt),
    };
    metrics.watch(this);
  }

  async start(): Promise<void> {
    const { tickMs = 1_000, logger } = this.options;
    const { head } = await this.store.held();
    this.headSeq = head.seq;
    this.tail.start(head);
    this.started = true;
    this.loop = startLoop({ name: 'webhook runners', everyMs: tickMs, logger }, () => this.tick());
  }

  /** Sends nothing new, waits a moment for what is on the wire, writes down what is known, and gives everything up. */
  async stop(): Promise<void> {
    const { stopMs = 4_000, http, logger } = this.options;
    this.stopping.abort();
    await this.loop?.stop();
    await Promise.allSettled(this.starting.values());
    const runners = [...this.held.values()];
    await Promise.all([...runners, ...this.dropped].map((runner) => runner.stop(stopMs)));
    await http.close();
    await this.tail.stop();
    await this.cutter.settled();
    await this.results.stop(2_000);
    try {
      await this.results.forgetCuts();
      await this.store.flushHealth(new Map(runners.map((runner) => [runner.id, runner.conduct.health])));
      await this.store.leave();
    } catch (error) {
      logger.warn({ reason: reasonOf(error) }, 'webhook endpoints could not be given up; others take them over');
    }
    this.held.clear();
  }

  /** Endpoints of this process. */
  get runners(): Iterable<EndpointRunner> {
    return this.held.values();
  }

  get count(): number {
    return this.held.size;
  }

  holds(id: string): boolean {
    return this.held.has(id);
  }

  /** Newest position of the log as this process last saw it. */
  get head(): number {
    return Math.max(this.headSeq, this.tail.at);
  }

  /** Whether it should claim more. */
  get hasRoom(): boolean {
    return this.held.size < this.share + slackOf(this.share);
  }

  /** Results that are not written down yet. */
  get unwritten(): number {
    return this.results.size;
  }

  /** Whether others have had the time to claim what this process holds. */
  get alive(): boolean {
    return performance.now() - this.renewedAt < this.ttlMs;
  }

  /** Somebody has changed an endpoint, or it should be run: claims it, or looks at it again. */
  async wake(id: string): Promise<void> {
    if (!this.started || this.stopping.signal.aborted) return;
    const runner = this.held.get(id);
    if (runner) return this.reload(runner);
    const under = this.starting.get(id) ?? this.claim(id).finally(() => this.starting.delete(id));
    this.starting.set(id, under);
    await under;
  }

  /** Endpoints that should be run, and that nobody alive has claimed. */
  unclaimed(limit: number): Promise<string[]> {
    return this.store.unclaimed(limit);
  }

  private async claim(id: string): Promise<boolean> {
    // After an outage of the database everybody looks dead: only who has been alive for a while may say so of others.
    const takeOver = this.renewingSince !== undefined && performance.now() - this.renewingSince >= this.ttlMs;
    if (!this.alive || !(await this.store.claim(id, takeOver))) return false;
    return this.begin(id);
  }

  /** Runs an endpoint that is claimed. One that cannot be read holds up no other: it is tried again after a while. */
  private async begin(id: string): Promise<boolean> {
    if ((this.resting.get(id) ?? 0) > performance.now()) return false;
    try {
      const load = await this.store.load(id);
      if (!load || this.stopping.signal.aborted || this.held.has(id)) return false;
      this.held.set(id, new EndpointRunner(load, this.parts));
      this.resting.delete(id);
      return true;
    } catch (error) {
      if (!this.resting.has(id)) this.options.logger.error({ err: error, endpoint: id }, 'a webhook endpoint cannot be run; trying again');
      this.resting.set(id, performance.now() + BEGIN_AGAIN_MS);
      return false;
    }
  }

  private async tick(): Promise<void> {
    const began = performance.now();
    const wasAlive = this.alive;
    try {
      await this.store.renew(this.ttlMs);
      if (wasAlive) this.renewedAt = began;
      this.renewingSince ??= began;
    } catch (error) {
      this.renewingSince = undefined;
      throw error;
    }
    await this.flush();
    await this.results.forgetCuts();
    const { rows, runners, states, head } = await this.store.held();
    this.states = states;
    this.headSeq = head.seq;
    // Alone it takes all there are, those that are just being made too.
    this.share = runners > 1 ? Math.ceil(states.enabled / runners) : Infinity;
    await this.reconcile(rows, began);
    // Only now it is known what others have taken over while this process could not say that it lives.
    this.renewedAt = began;
    for (const runner of this.held.values()) await this.endReplay(runner);
    await this.balance(runners);
  }

  private async flush(): Promise<void> {
    this.cutter.pass(this.held.values());
    const changed = [...this.held.values()].filter(({ conduct }) => conduct.changed);
    for (const runner of changed) runner.conduct.changed = false;
    try {
      await this.cutter.alone(() => this.store.flushHealth(new Map(changed.map((runner) => [runner.id, runner.conduct.health]))));
    } catch (error) {
      for (const runner of changed) runner.conduct.changed = true;
      throw error;
    }
  }

  /** Makes what runs here equal to what the database says that this process holds. */
  private async reconcile(rows: readonly HeldRow[], began: number): Promise<void> {
    const claimed = new Map(rows.map((row) => [row.id, row]));
    for (const runner of [...this.held.values()]) {
      const row = claimed.get(runner.id);
      if (!row && runner.startedAt < began) {
        this.drop(runner);
        this.options.logger.info({ endpoint: runner.id }, 'a webhook endpoint is run elsewhere now, or is gone');
      } else if (row && row.state !== 'enabled') {
        this.drop(runner);
        await this.store.release([runner.id]);
      } else if (row && row.version !== runner.endpoint.version) void this.reload(runner);
    }
    for (const { id, state } of rows) {
      if (this.held.has(id) || this.starting.has(id)) continue;
      if (state === 'enabled') await this.wake(id);
      else await this.store.release([id]);
    }
  }

  private drop(runner: EndpointRunner): void {
    if (this.held.get(runner.id) === runner) this.held.delete(runner.id);
    // What is on the wire ends by itself and is written down.
    this.dropped.add(runner);
    void runner.stop(60_000).finally(() => this.dropped.delete(runner));
  }

  private async endReplay(runner: EndpointRunner): Promise<void> {
    const replay = runner.replayReader;
    if (replay?.finished && (await this.store.endReplay(replay.id))) void this.reload(runner);
  }

  /** Moves a reader behind what retention has taken from it, and says so. */
  private async skipExpired(runner: EndpointRunner, oldest: number): Promise<void> {
    runner.freeze();
    const { position } = runner.lag;
    const positions = oldest - 1 - position;
    const data = { endpoint: runner.id, reason: 'expired', message: 'events past their retention were not delivered', positions };
    try {
      await this.cutter.settled();
      if (await this.store.skipExpired(runner.id, position, oldest - 1, data)) {
        this.options.logger.error({ endpoint: runner.id, positions }, 'a webhook endpoint lost events to retention');
      }
    } catch (error) {
      // Read again, it finds the same.
      this.options.logger.warn({ endpoint: runner.id, reason: reasonOf(error) }, 'a webhook position could not be moved');
    }
    await this.reload(runner);
  }

  /** Gives endpoints that have nothing to do to runners that hold fewer. */
  private async balance(runners: number): Promise<void> {
    const above = this.held.size - this.share;
    if (runners < 2 || above <= slackOf(this.share)) return;
    const given = [...this.held.values()].filter(({ quiet }) => quiet).slice(0, Math.ceil(above / 4));
    for (const runner of given) this.drop(runner);
    const ids = given.map(({ id }) => id);
    if (ids.length === 0) return;
    await this.store.release(ids);
    this.options.wakeElsewhere?.(ids);
  }

  /** Reads endpoints anew: those named, or all of this process. */
  private reloadAll(ids?: ReadonlySet<string>): void {
    for (const runner of this.held.values()) if (!ids || ids.has(runner.id)) void this.reload(runner);
  }

  /** Reads an endpoint anew, until that has worked. */
  private async reload(runner: EndpointRunner): Promise<void> {
    if (this.reloading.has(runner)) return;
    this.reloading.add(runner);
    runner.freeze();
    try {
      for (let failures = 0; this.held.get(runner.id) === runner && !this.stopping.signal.aborted;) {
        try {
          if (!(await runner.reload(() => this.loads.run(() => this.store.load(runner.id))))) this.drop(runner);
          return;
        } catch (error) {
          if (failures === 0)
            this.options.logger.warn({ endpoint: runner.id, reason: reasonOf(error) }, 'a webhook endpoint cannot be read; trying again');
          await pause(backoffMs(failures++, RELOAD), this.stopping.signal);
        }
      }
    } finally {
      this.reloading.delete(runner);
    }
  }

  private async disable(runner: EndpointRunner, reason: DisabledReason, since: number): Promise<void> {
    const { logger } = this.options;
    const message =
      reason === 'gone' ? 'the receiver answered 410 Gone' : `every attempt has failed since ${new Date(since).toISOString()}`;
    try {
      if (!(await this.store.disable(runner.id, reason, { endpoint: runner.id, reason, message }))) return;
      logger.error({ endpoint: runner.id, reason }, `a webhook endpoint was disabled: ${message}`);
      runner.freeze();
    } catch (error) {
      // The next failure of the endpoint tries again.
      logger.warn({ endpoint: runner.id, reason: reasonOf(error) }, 'a webhook endpoint could not be disabled yet');
    }
  }
}

function slackOf(share: number): number {
  return Math.max(SLACK.least, Math.ceil(share * SLACK.share));
}
