import { Inject, Injectable } from '@nestjs/common';
import { type ListedWorker, WorkerRegistry } from '@tributary/creators';
import { encodeCursor, InboxReader, LogKeys, type Positions } from '@tributary/log';
import { Config } from '@tributary/runtime';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { outsideRequests } from '../access/request-context.js';
import { CreatorCounts, type CreatorTotals } from '../creators/creator-counts.js';
import { POOL, REDIS } from '../resources.js';
import { probe, type Probed } from './probe.js';

const PROBE_MS = 2_000;
const SIGNER_MS = 1_000;
const SIGNER_BYTES_MAX = 262_144;
/** One answer serves everybody who asks within this time. */
const FRESH_MS = 1_000;

export interface SystemStatus {
  time: string;
  log: Probed<{ generation: number; position: string; oldest: string }>;
  store: Probed<{ lag: { entries: number; oldestMs: number }; sessionsBehind: number; deadLetters: number }>;
  workers: Probed<{ list: (Omit<ListedWorker, 'startedAt'> & { startedAt: string })[] }>;
  creators: Probed<CreatorTotals>;
  leases: Probed<{ held: number; byWorker: Record<string, number> }>;
  redis: Probed<{ latencyMs: number; version: string; usedBytes: number; maxBytes: number; policy: string }>;
  postgres: Probed<{ latencyMs: number; version: string; connections: { open: number; idle: number; waiting: number } }>;
  signer: Probed<{ latencyMs: number; providers: unknown }>;
}

/** Asks every part of the system how it is, all at the same time. */
@Injectable()
export class SystemStatusReader {
  private readonly workers: WorkerRegistry;
  private cached: { at: number; status: Promise<SystemStatus> } | undefined;

  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @Inject(REDIS) private readonly redis: Redis,
    private readonly config: Config,
    private readonly keys: LogKeys,
    private readonly inbox: InboxReader,
    private readonly counts: CreatorCounts,
  ) {
    this.workers = new WorkerRegistry({ redis, prefix: config.redisPrefix, leaseTtlMs: config.leaseTtlMs });
  }

  /** What a caller who is limited to these creators may know: where the log is, and how its own creators are. */
  async readWithin(allowedCreators: readonly string[]): Promise<Pick<SystemStatus, 'time' | 'log' | 'creators'>> {
    const [log, creators] = await Promise.all([
      probe(PROBE_MS, () => this.log()),
      probe(PROBE_MS, () => this.counts.count(allowedCreators)),
    ]);
    return { time: new Date().toISOString(), log, creators };
  }

  read(): Promise<SystemStatus> {
    if (!this.cached || Date.now() - this.cached.at > FRESH_MS) this.cached = { at: Date.now(), status: outsideRequests(() => this.ask()) };
    return this.cached.status;
  }

  private async ask(): Promise<SystemStatus> {
    const [log, store, workers, creators, leases, redis, postgres, signer] = await Promise.all([
      probe(PROBE_MS, () => this.log()),
      probe(PROBE_MS, () => this.store()),
      probe(PROBE_MS, async () => {
        const list = await this.workers.list();
        return {
          list: list.map((worker) => ({
            ...worker,
            beatAgeMs: Math.round(worker.beatAgeMs),
            startedAt: new Date(worker.startedAt).toISOString(),
          })),
        };
      }),
      probe(PROBE_MS, () => this.counts.count()),
      probe(PROBE_MS, () => this.leases()),
      probe(PROBE_MS, () => this.redisFacts()),
      probe(PROBE_MS, () => this.postgresFacts()),
      probe(SIGNER_MS, (signal) => this.signer(signal)),
    ]);
    return { time: new Date().toISOString(), log, store, workers, creators, leases, redis, postgres, signer };
  }

  private async log(): Promise<{ generation: number; position: string; oldest: string }> {
    const { rows } = await this.pool.query<{ generation: number; seq: number; oldest: number }>(
      'select generation::float8, seq::float8, oldest_seq::float8 as oldest from log_head',
    );
    const { generation, seq, oldest } = rows[0]!;
    return { generation, position: encodeCursor({ generation, seq }), oldest: encodeCursor({ generation, seq: Math.max(0, oldest - 1) }) };
  }

  private async store(): Promise<{ lag: { entries: number; oldestMs: number }; sessionsBehind: number; deadLetters: number }> {
    const { rows } = await this.pool.query<{ positions: Positions; behind: number; dead: number }>(
      `select positions, (select count(*)::int from dead_letters) as dead,
              (seq - coalesce((select seq from aggregate_positions where name = 'sessions'), 0))::float8 as behind from log_head`,
    );
    const { positions, behind, dead } = rows[0]!;
    return { lag: await this.inbox.lag(positions), sessionsBehind: behind, deadLetters: dead };
  }

  /** A lease is `<fence> <worker> <expiresAtMs>`, its worker `-` when it was given back. */
  private async leases(): Promise<{ held: number; byWorker: Record<string, number> }> {
    const partitions = Array.from({ length: this.keys.partitions }, (_, partition) => partition);
    const texts = (await Promise.all(partitions.map((partition) => this.redis.hvals(this.keys.leases(partition))))).flat();
    const now = Date.now();
    const byWorker: Record<string, number> = {};
    let held = 0;
    for (const text of texts) {
      const [, worker = '-', expiresAt = '0'] = text.split(' ');
      if (worker === '-' || Number(expiresAt) < now) continue;
      held += 1;
      byWorker[worker] = (byWorker[worker] ?? 0) + 1;
    }
    return { held, byWorker };
  }

  private async redisFacts(): Promise<{ latencyMs: number; version: string; usedBytes: number; maxBytes: number; policy: string }> {
    const start = performance.now();
    await this.redis.ping();
    const latencyMs = since(start);
    const info = await this.redis.info();
    const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
    return {
      latencyMs,
      version: field('redis_version'),
      usedBytes: Number(field('used_memory')),
      maxBytes: Number(field('maxmemory')),
      policy: field('maxmemory_policy'),
    };
  }

  private async postgresFacts(): Promise<{
    latencyMs: number;
    version: string;
    connections: { open: number; idle: number; waiting: number };
  }> {
    const start = performance.now();
    const { rows } = await this.pool.query<{ version: string }>(`select current_setting('server_version') as version`);
    const latencyMs = since(start);
    const { totalCount: open, idleCount: idle, waitingCount: waiting } = this.pool;
    return { latencyMs, version: rows[0]!.version, connections: { open, idle, waiting } };
  }

  private async signer(signal: AbortSignal): Promise<{ latencyMs: number; providers: unknown }> {
    const start = performance.now();
    const response = await fetch(new URL('/v1/providers', this.config.signerUrl), {
      signal,
      redirect: 'error',
      headers: { accept: 'application/json', ...(this.config.signerKey ? { 'x-api-key': this.config.signerKey } : {}) },
    });
    const text = await readAtMost(response, SIGNER_BYTES_MAX);
    if (!response.ok) throw new Error(`the signer answered ${response.status}`);
    const answer = JSON.parse(text) as { providers?: unknown; data?: unknown };
    return { latencyMs: since(start), providers: answer.providers ?? answer.data ?? answer };
  }
}

async function readAtMost(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`the signer answered more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function since(start: number): number {
  return Math.round((performance.now() - start) * 10) / 10;
}
