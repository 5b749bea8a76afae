import { randomUUID } from 'node:crypto';
import type { EventDraft, StoredEvent } from '@tributary/events';
import { AddressPolicy, SsrfGuard, NameResolver } from '@tributary/outbound';
import { createPool, Metrics } from '@tributary/runtime';
import { createDatabase, waitFor } from '@tributary/testing';
import type { Pool } from 'pg';
import { LiveHub } from '../live/hub/hub.js';
import { Committer } from '../store/writer/committer.js';
import { DayPartitions } from '../store/retention/days.js';
import { EventStore } from '../store/event-store.js';
import { migrate } from '../store/schema/migrate.js';
import { type EndpointSettings, type SealedPart } from './endpoint/endpoint.js';
import { settingColumns } from './endpoint/endpoint-row.js';
import { GuardedHttp } from '../outbound/guarded-http.js';
import { DeliveryMetrics } from './upkeep/metrics.js';
import { type RetryPolicy, RETRY_POLICY } from './request/retry-policy.js';
import { DeliveryEngine, type DeliveryEngineOptions } from './engine.js';
import { webhookBox } from './secret-key.js';
import { newSecretPair, publicKeyText, sharedSecretText } from './request/signature.js';

export const silent = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
};

/** The retry policy with its waits shortened for tests. */
export function quickPolicy(more: Partial<RetryPolicy> = {}): RetryPolicy {
  return { ...RETRY_POLICY, scheduleMs: [0, 50, 50, 50], throttle: { firstMs: 100, maxMs: 400 }, ...more };
}

export const DEFAULTS: Omit<EndpointSettings, 'url'> = {
  description: '',
  metadata: {},
  filter: {},
  ordered: false,
  maxInFlight: 10,
  timeoutMs: 1_000,
  signatures: ['v1'],
  headers: {},
};

const box = webhookBox(Buffer.alloc(32, 7).toString('base64'));

/** A database with the log and webhook tables, and what runs on it: everything but HTTP and Redis. */
export class DeliveryFixture {
  readonly store: EventStore;
  readonly hub: LiveHub;
  private readonly days: DayPartitions;
  private readonly committer: Committer;
  private readonly all: DeliveryEngine[] = [];
  private n = 0;

  private constructor(
    readonly url: string,
    readonly pool: Pool,
    private readonly drop: () => Promise<void>,
  ) {
    this.store = new EventStore(pool);
    this.days = new DayPartitions(pool);
    this.committer = new Committer(pool, this.days);
    this.hub = new LiveHub({ store: this.store, logger: silent, quietMs: 100 });
  }

  static async start(serverUrl?: string): Promise<DeliveryFixture> {
    const database = await createDatabase(serverUrl);
    await migrate(database.url);
    const pool = createPool(database.url, silent, { name: 'webhooks-spec', max: 20 });
    pool.on('error', () => undefined);
    const fixture = new DeliveryFixture(database.url, pool, () => database.drop());
    await fixture.hub.start();
    return fixture;
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((engine) => engine.stop()));
    this.hub.stop();
    await this.pool.end();
    await this.drop();
  }

  /** The delivery engine of one process, started. */
  async engine(more: Partial<DeliveryEngineOptions> = {}): Promise<DeliveryEngine> {
    const guard = new SsrfGuard(new AddressPolicy({ allowCidrs: ['127.0.0.0/8'] }), new NameResolver());
    const engine = new DeliveryEngine({
      pool: this.pool,
      hub: this.hub,
      box,
      http: new GuardedHttp({ guard }),
      metrics: new DeliveryMetrics(new Metrics('spec')),
      logger: silent,
      sendsMax: 200,
      policy: quickPolicy(),
      ttlMs: 600,
      tickMs: 100,
      stopMs: 500,
      ...more,
    });
    this.all.push(engine);
    engine.start();
    await waitFor(() => engine.alive, { what: 'the engine to be alive' });
    return engine;
  }

  /** What the sweeper does, for as long as `until` has not come true. */
  async claimAll(engine: DeliveryEngine): Promise<void> {
    for (const id of await engine.unclaimed(1_000)) await engine.wake(id);
  }

  /** Makes an enabled endpoint at the head of the log, or after `position`. */
  async endpoint(
    settings: Partial<EndpointSettings> & { url: string },
    position?: number,
  ): Promise<{ id: string; secret: string; publicKey: string }> {
    const id = `wh_${randomUUID().slice(0, 8)}`;
    const pair = newSecretPair();
    const part: SealedPart = { secrets: [pair], headers: settings.headers ?? {} };
    const columns = { id, key_id: null, ...settingColumns(id, { ...DEFAULTS, ...settings }, part, box) };
    const names = Object.keys(columns);
    await this.pool.query(
      `insert into webhook_endpoints (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
      Object.values(columns),
    );
    await this.pool.query(
      'insert into webhook_cursors (id, endpoint_id, position) values ($1, $1, coalesce($2, (select seq from log_head)))',
      [id, position ?? null],
    );
    return { id, secret: sharedSecretText(pair), publicKey: publicKeyText(pair) };
  }

  /** Stores `count` events. Returns their ids in log order. */
  async events(count: number, more: Partial<EventDraft> = {}): Promise<string[]> {
    const drafts = Array.from({ length: count }, () => this.draft(more));
    await this.commit(drafts);
    return drafts.map(({ id }) => id);
  }

  /** Stores drafts and announces them to the hub, as the store does; in a new generation when it finds another life of the server. */
  async commit(drafts: readonly EventDraft[]): Promise<void> {
    const entries = drafts.map((draft, i) => ({
      partition: 0,
      entryId: `1-${i}`,
      fields: {
        id: draft.id,
        type: draft.type,
        creator: draft.creatorId,
        handle: draft.handle,
        room: draft.roomId,
        ts: String(draft.time),
        at: String(draft.receivedAt),
        data: JSON.stringify(draft.data),
      },
    }));
    for (;;) {
      let head = await this.committer.head();
      // As the store does after a start of the server.
      if (!head.continuous) head = await this.committer.raiseGeneration(head, { reason: 'spec' });
      const result = await this.committer.commit(head, { from: head.positions, to: head.positions, entries });
      if (result.kind === 'superseded') continue;
      const { generation, after, to, eventsJson } = result;
      this.hub.take({ generation, after, to, events: JSON.parse(eventsJson) as StoredEvent[] });
      return;
    }
  }

  draft(more: Partial<EventDraft> = {}): EventDraft {
    const now = Date.now();
    const seconds = BigInt(Math.floor(now / 1_000)) << 32n;
    this.n += 1;
    return {
      id: `${seconds + 1n}-${seconds + BigInt(this.n)}`,
      type: 'tiktok.live.chat',
      creatorId: 'cr_a',
      handle: 'a',
      roomId: String(seconds + 1n),
      time: now,
      receivedAt: now,
      data: { user: { id: '1', uniqueId: 'viewer' }, comment: `comment ${this.n}` },
      ...more,
    };
  }

  /** Deliveries of an endpoint by state. */
  async states(id: string): Promise<Record<string, number>> {
    const { rows } = await this.pool.query<{ state: string; n: number }>(
      `select state, count(*)::int as n from (
         select state from webhook_deliveries where endpoint_id = $1 union all select 'open' from webhook_planned_deliveries where endpoint_id = $1) d
       group by state`,
      [id],
    );
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  }
}
