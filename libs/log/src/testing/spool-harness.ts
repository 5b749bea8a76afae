import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRedis } from '@tributary/runtime';
import { startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { LogKeys } from '../log-keys.js';
import type { RefusedEvent } from '../producer/partition-queue.js';
import { InboxProducer, type InboxProducerOptions } from '../producer/inbox-producer.js';
import { InboxReader, type Positions } from '../reader/inbox-reader.js';
import type { SpoolSettings } from '../spool/spool.js';
import { draft } from './drafts.js';
import { compileChild, ProducerProcess } from './producer-process.js';

const quiet = { trace: () => undefined, debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** A fence that {@link SpoolHarness.hold} records. */
export const FENCE = '1000';
/** Creators over both partitions. */
export const CREATORS = ['cr_1', 'cr_2', 'cr_3', 'cr_4'] as const;

/** A Redis that can be stopped, a spool folder, and producers inside this process and outside. */
export class SpoolHarness {
  keys = new LogKeys('t', 2);
  dir = '';
  refused: RefusedEvent[] = [];
  logged: { level: string; message: string; [field: string]: unknown }[] = [];
  private readonly producers: InboxProducer[] = [];
  private readonly children: ProducerProcess[] = [];

  private constructor(
    readonly server: SuiteServer,
    readonly redis: Redis,
    private readonly folder: string,
    private readonly program: string,
  ) {}

  static async open(): Promise<SpoolHarness> {
    const server = await startRedis({ appendonly: 'always' });
    const redis = createRedis(server.url, quiet, { name: 'spec' });
    await waitFor(() => redis.status === 'ready');
    const folder = mkdtempSync(join(tmpdir(), 'spool-spec-'));
    return new SpoolHarness(server, redis, folder, compileChild(join(folder, 'program')));
  }

  /** Before each test: keys and a folder of its own. */
  reset(): void {
    this.keys = new LogKeys(`t-${randomUUID().slice(0, 8)}`, 2);
    this.dir = join(this.folder, randomUUID().slice(0, 8));
    this.refused = [];
    this.logged = [];
  }

  /** After each test. */
  async settle(): Promise<void> {
    await Promise.all(this.children.splice(0).map((child) => child.kill9()));
    if (this.server.pid === 0) await this.back();
    await Promise.all(this.producers.splice(0).map((producer) => producer.stop()));
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.server.remove();
    rmSync(this.folder, { recursive: true });
  }

  producer(options: Partial<InboxProducerOptions> = {}, spool: Partial<SpoolSettings> = {}): InboxProducer {
    const say = (level: string) => (fields: object, message: string) => void this.logged.push({ level, message, ...fields });
    const producer = new InboxProducer({
      redis: this.redis,
      keys: this.keys,
      run: `run-${randomUUID().slice(0, 8)}`,
      flushMs: 1,
      retainBytesMax: 50_000_000,
      inboxBytesMax: 0,
      spool: { dir: this.dir, bytesMax: 1_000_000_000, ...spool },
      logger: { info: say('info'), warn: say('warn'), error: say('error') },
      onRefused: (event) => this.refused.push(event),
      ...options,
    });
    this.producers.push(producer);
    producer.start();
    return producer;
  }

  async child(run: string, segmentBytesMax?: number, retainBytesMax?: number): Promise<ProducerProcess> {
    const { prefix, partitions } = this.keys;
    const setup = { redisUrl: this.server.url, prefix, partitions, run, dir: this.dir, segmentBytesMax, retainBytesMax };
    const child = new ProducerProcess(this.program, setup);
    this.children.push(child);
    await child.ready();
    return child;
  }

  async hold(creators: readonly string[] = CREATORS, fence = FENCE): Promise<void> {
    for (const id of creators) await this.redis.hset(this.keys.leases(this.keys.partitionOf(id)), id, `${fence} worker 9999999999999`);
  }

  /** Ids of a creator in the inbox, in order. */
  async inbox(creatorId: string): Promise<string[]> {
    const entries = await this.redis.xrange(this.keys.inbox(this.keys.partitionOf(creatorId)), '-', '+');
    return entries
      .map(([, fields]) => fields)
      .filter((fields) => fields[fields.indexOf('creator') + 1] === creatorId)
      .map((fields) => fields[1]!);
  }

  /** Confirms everything in the inbox, as a store does. */
  async store(): Promise<void> {
    const reader = new InboxReader({ redis: this.redis, keys: this.keys, batchEntriesMax: 5_000, keepMs: 600_000, inboxBytesMax: 0 });
    let positions: Positions = {};
    for (;;) {
      const batch = await reader.read(positions);
      if (batch.entries.length === 0) return;
      await reader.confirm(batch);
      positions = batch.to;
    }
  }

  /** Makes the owner of a spool a process of another container, whose process id means nothing here. */
  moveAway(folder: string): void {
    const path = join(this.dir, folder, 'owner.json');
    const mark = JSON.parse(readFileSync(path, 'utf8')) as { owner: object };
    writeFileSync(path, JSON.stringify({ ...mark, owner: { ...mark.owner, pidSpace: 'pid:[another container]' } }));
  }

  /** Segments on disk, below the spool folder. */
  segments(): string[] {
    if (!existsSync(this.dir)) return [];
    const names = readdirSync(this.dir, { recursive: true, encoding: 'utf8' });
    return names.filter((name) => name.endsWith('.seg')).sort();
  }

  /** Log lines of finished replays. */
  replays(): Record<string, unknown>[] {
    return this.logged.filter(({ message }) => message.startsWith('the spool of a run that ended is replayed'));
  }

  errors(): string[] {
    return this.logged.filter(({ level }) => level === 'error').map(({ message }) => message);
  }

  async away(): Promise<void> {
    await this.server.kill9();
    await waitFor(() => this.redis.status !== 'ready');
  }

  async back(): Promise<void> {
    await this.server.restart();
    await waitFor(() => this.redis.status === 'ready');
  }

  /** A process that spooled these events of every creator while Redis was away, and was killed. */
  async killedWithSpool(run: string, events: number, segmentBytesMax?: number): Promise<void> {
    const child = await this.child(run, segmentBytesMax);
    await this.away();
    await child.ask({ do: 'append', creators: [...CREATORS], from: 1, to: events, fence: FENCE });
    const isWritten = async () => (await child.ask({ do: 'stats' })).spool!.written === events * CREATORS.length;
    await waitFor(isWritten, { what: 'everything to be on disk' });
    await child.kill9();
  }
}

/** Ids of the events `from` to `to` of a creator. */
export const idsOf = (creatorId: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, at) => draft(from + at, creatorId).id);
