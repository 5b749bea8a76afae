import { randomUUID } from 'node:crypto';
import { CreatorProjection, type CreatorRecord, type CreatorStatus, type LastSeen, StatusStore } from '@tributary/creators';
import { LogKeys } from '@tributary/log';
import { Config, createRedis, Metrics, Readiness } from '@tributary/runtime';
import { type LedgerEntry, Simulator } from '@tributary/testing';
import { Redis } from 'ioredis';
import { Worker } from '../worker.js';
import { SimulatorSigner } from './simulator-signer.js';

/** One entry of the inbox. */
export interface Entry {
  id: string;
  type: string;
  creator: string;
  room: string;
  at: number;
  data: Record<string, unknown>;
  run: string;
  /** ms since 1970, by Redis' clock. */
  appendedAt: number;
}

export interface TestWorker {
  worker: Worker;
  readiness: Readiness;
  metrics: Metrics;
  /** Disconnects its Redis clients, as a crash of its process would. */
  disconnect(): void;
}

const silent = { trace: () => undefined, debug: () => undefined, info: () => undefined, warn: () => undefined, error: console.error };

/** A simulated TikTok, a Redis and any number of workers in this process. */
export class TestCluster {
  readonly config: Config;
  readonly keys: LogKeys;
  readonly redis: Redis;
  readonly signer: SimulatorSigner;
  readonly statuses: StatusStore;
  private readonly projection: CreatorProjection;
  private readonly workers: TestWorker[] = [];
  private version = 0;
  creators: CreatorRecord[] = [];

  constructor(
    readonly simulator: Simulator,
    redisUrl: string,
    settings: Partial<Config> = {},
  ) {
    const prefix = `ingest-${randomUUID().slice(0, 8)}`;
    this.config = Object.assign(new Config(), {
      redisUrl,
      redisPrefix: prefix,
      partitions: 2,
      leaseTtlMs: 2_000,
      pollMs: 500,
      pollsPerSecond: 200,
      tiktokWebUrl: simulator.url,
      tiktokWebcastUrl: simulator.url,
      tiktokSocketUrl: simulator.socketUrl,
      ...settings,
    });
    this.keys = new LogKeys(prefix, this.config.partitions);
    this.redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
    this.redis.on('error', () => undefined);
    this.signer = new SimulatorSigner(simulator);
    this.statuses = new StatusStore({ redis: this.redis, prefix });
    this.projection = new CreatorProjection({ redis: this.redis, prefix });
  }

  /** Monitors these handles; the ids are `cr_<handle>`. Redis is as it is long after a wipe: leases may be claimed at once. */
  async monitor(...handles: string[]): Promise<void> {
    const before = String(Date.now() - 60_000);
    for (let p = 0; p < this.keys.partitions; p += 1) await this.redis.set(`${this.keys.leases(p)}:since`, before, 'NX');
    for (const uniqueId of handles) this.creators.push({ id: `cr_${uniqueId}`, uniqueId, paused: false, options: {} });
    await this.publish();
  }

  async publish(): Promise<void> {
    this.version += 1;
    const version = String(this.version);
    if (!(await this.projection.write(this.creators, version))) await this.projection.write(this.creators, version, new Map());
  }

  /** Redis loses everything. The projection is written again, with what a store that has read the whole inbox knows. */
  async wipe(): Promise<void> {
    const seen = new Map<string, LastSeen>();
    for (const { id, uniqueId } of this.creators) {
      const entries = await this.inbox(uniqueId);
      const change = entries.findLast(({ type }) => ['monitor.live', 'monitor.connected', 'monitor.offline'].includes(type));
      const last = entries.at(-1);
      if (last && change && change.type !== 'monitor.offline') seen.set(id, { roomId: change.room, at: last.at });
    }
    await this.redis.flushall();
    this.version += 1;
    await this.projection.write(this.creators, String(this.version), seen);
  }

  /** Starts a worker; `redisUrl` may lead through a proxy. */
  start(workerId: string, redisUrl = this.config.redisUrl): TestWorker {
    const config = Object.assign(new Config(), this.config, { workerId, redisUrl });
    const clients = [
      createRedis(redisUrl, silent, { name: workerId }),
      createRedis(redisUrl, silent, { name: `${workerId}-inbox` }),
      createRedis(redisUrl, silent, { name: `${workerId}-wake` }),
    ] as const;
    const [redis, inboxRedis, subscriber] = clients;
    const readiness = new Readiness();
    const metrics = new Metrics('ingest');
    const worker = new Worker({
      config,
      logger: silent,
      metrics,
      readiness,
      redis,
      inboxRedis,
      subscriber,
      inboxBytesMax: 0,
      signer: this.signer,
    });
    worker.start();
    const started = { worker, readiness, metrics, disconnect: () => clients.forEach((client) => client.disconnect()) };
    this.workers.push(started);
    return started;
  }

  async stop(started: TestWorker): Promise<void> {
    const at = this.workers.indexOf(started);
    if (at >= 0) this.workers.splice(at, 1);
    await started.worker.stop();
    started.disconnect();
  }

  /** Confirms everything in the inbox to its producers, as a store would. */
  async confirm(): Promise<void> {
    for (let p = 0; p < this.keys.partitions; p += 1) {
      for (const [run, n] of Object.entries(await this.redis.hgetall(this.keys.producers(p)))) {
        await this.redis.hset(this.keys.stored(p), run, `${n} ${Date.now()}`);
      }
    }
  }

  async close(): Promise<void> {
    for (const room of this.simulator.rooms()) room.rate = 0;
    await this.confirm();
    await Promise.all([...this.workers].map((started) => this.stop(started)));
    this.redis.disconnect();
    await this.simulator.stop();
  }

  /** Statuses by handle. */
  async status(): Promise<Map<string, CreatorStatus>> {
    const read = await this.statuses.readMany(this.creators.map(({ id }) => id));
    return new Map(this.creators.flatMap(({ uniqueId }, at) => (read[at] ? [[uniqueId, read[at]] as const] : [])));
  }

  /** Worker of each lease, by creator id. */
  async holders(): Promise<Map<string, { fence: string; worker: string }>> {
    const hashes = await Promise.all(Array.from({ length: this.keys.partitions }, (_, p) => this.redis.hgetall(this.keys.leases(p))));
    return new Map(
      hashes.flatMap(Object.entries).map(([id, text]: [string, string]) => {
        const [fence = '', run = ''] = text.split(' ');
        return [id, { fence, worker: run.split('-')[0] ?? '' }] as const;
      }),
    );
  }

  /** The inbox of one creator, in order. */
  async inbox(handle: string): Promise<Entry[]> {
    const id = `cr_${handle}`;
    const entries = await this.redis.xrange(this.keys.inbox(this.keys.partitionOf(id)), '-', '+');
    return entries
      .map(
        ([entryId, fields]) =>
          ({
            ...Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, n) => [fields[2 * n], fields[2 * n + 1]])),
            appendedAt: entryId.split('-')[0],
          }) as Record<string, string>,
      )
      .filter((fields) => fields.creator === id)
      .map(({ id: eventId, type, creator, room, at, data, run, appendedAt }) => ({
        appendedAt: Number(appendedAt),
        id: eventId!,
        type: type!,
        creator: creator!,
        room: room!,
        at: Number(at),
        data: JSON.parse(data!) as Record<string, unknown>,
        run: run!,
      }));
  }

  /** What the simulator wrote to WebSockets of a creator. */
  written(handle: string): LedgerEntry[] {
    return [...this.simulator.room(handle)!.ledger.entries()].filter(({ connections }) => connections.some((name) => name.startsWith('c')));
  }
}

/** Where the messages that were written to sockets are now. */
export interface Account {
  written: number;
  inInbox: number;
  /** Written, not in the inbox, and in no recorded gap. Must be empty. */
  missing: string[];
  /** Missing, but within a recorded gap. */
  inGaps: number;
  /** In the inbox more than once. */
  twice: string[];
  /** Pairs of messages of one holder whose order in the inbox is not that in which they were sent. */
  orderFaults: number;
  gaps: { from: number; to: number; reason: string }[];
}

/** A message belongs to a gap when it was sent between its ends, with this tolerance for its time in the socket. */
const SOCKET_MS = 250;

/** Accounts for every message of one creator. */
export async function account(cluster: TestCluster, handle: string): Promise<Account> {
  const entries = await cluster.inbox(handle);
  const gaps = entries
    .filter(({ type }) => type === 'monitor.gap')
    .map(({ data }) => ({ from: Date.parse(String(data.from)), to: Date.parse(String(data.to)), reason: String(data.reason) }));
  const seen = new Map<string, number>();
  const order: { n: number; run: string }[] = [];
  const written = cluster.written(handle);
  const numbers = new Map(written.map(({ roomId, msgId, n }) => [`${roomId}-${msgId}`, n]));
  for (const { id, run } of entries) {
    const n = numbers.get(id);
    if (n === undefined) continue;
    seen.set(id, (seen.get(id) ?? 0) + 1);
    order.push({ n, run });
  }
  const lost = written.filter(({ roomId, msgId }) => !seen.has(`${roomId}-${msgId}`));
  const missing = lost.filter(({ at }) => !gaps.some(({ from, to }) => at >= from - SOCKET_MS && at <= to + SOCKET_MS));
  return {
    written: written.length,
    inInbox: seen.size,
    missing: missing.map(({ n, method }) => `${n} ${method}`),
    inGaps: lost.length - missing.length,
    twice: [...seen].filter(([, count]) => count > 1).map(([id]) => id),
    orderFaults: order.filter(({ n, run }, at) => at > 0 && order[at - 1]!.run === run && order[at - 1]!.n > n).length,
    gaps,
  };
}
