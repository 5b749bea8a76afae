import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StackLines, SuiteServer } from '@tributary/testing';
import pg from 'pg';
import { LiveReader, type ReaderFilter } from '../parts/live-reader.js';
import { MonitoredSystem, type MonitoredSystemOptions } from '../parts/monitored-system.js';
import { StallWatch } from '../parts/stall-watch.js';
import { LostByBackup, type LogState, readInbox, readLog } from './log-state.js';
import { baseBackup } from './servers.js';

/** Connections that were cut have ended their transactions by then. */
const CUT_MS = 300;
const FLOWING_MS_MAX = 120_000;

/** A stack behind proxies that can be cut, frozen and pointed at other servers, with live readers. */
export class FailoverSystem extends MonitoredSystem {
  postgres: SuiteServer;
  redis: SuiteServer;
  /** The logs of databases that were replaced, oldest first. */
  readonly former: LogState[] = [];
  readonly lost = new LostByBackup();
  readonly readers: LiveReader[] = [];
  readonly watch: StallWatch;
  readonly folder = mkdtempSync(join(tmpdir(), 'tributary-failover-'));
  pool: pg.Pool;
  /** The longest time that an address led nowhere while its server was replaced, in ms: a busy machine starts servers slowly. */
  awayMsMax = 0;
  private readonly undo: (() => Promise<unknown>)[] = [];
  private backups = 0;

  constructor(options: MonitoredSystemOptions) {
    super(options);
    this.postgres = this.stack.postgres;
    this.redis = this.stack.redis;
    this.pool = makePool(this.postgres.url);
    this.watch = new StallWatch(() => this.pool);
  }

  get lines(): StackLines {
    const { lines } = this.stack;
    if (!lines) throw new Error('this system needs lines before its servers');
    return lines;
  }

  /** Registers work for the close of the system; the last registered runs first. */
  atEnd(step: () => Promise<unknown>): void {
    this.undo.push(step);
  }

  addReader(name: string, filter: ReaderFilter): void {
    const reader = new LiveReader(name, filter, { api: this.stack.urls.api, key: this.stack.key, random: this.random });
    this.readers.push(reader);
    reader.start();
  }

  /** A base backup of the database of the moment. */
  backup(): Promise<string> {
    return baseBackup(this.postgres, join(this.folder, `backup-${++this.backups}`));
  }

  /**
   * Kills PostgreSQL and puts an older one in its place, under the same address. What is gone for good is entered into `lost`.
   * @param beside done while nothing reaches the database, such as the loss of Redis
   */
  async replacePostgres(next: () => Promise<SuiteServer>, beside?: () => Promise<void>): Promise<void> {
    const { lines, postgres: old } = this;
    const cutAt = Date.now();
    lines.postgres.refuse();
    await this.sleep(CUT_MS);
    const before = await readLog(old.url);
    const inbox = await readInbox(this.redis);
    await old.kill9();
    if (beside) await beside();
    const server = await next();
    const after = await readLog(server.url);
    this.lost.add(before, after, inbox, beside === undefined);
    this.former.push({ ...before, replaced: { at: Date.now(), survived: after.seq } });
    this.postgres = server;
    this.atEnd(() => server.remove());
    const pool = this.pool;
    this.pool = makePool(server.url);
    this.watch.rewind();
    void pool.end();
    lines.postgres.lead(server.url);
    lines.postgres.heal();
    this.awayMsMax = Math.max(this.awayMsMax, Date.now() - cutAt);
    if (after.seq >= before.seq) return;
    await this.wait(`a new generation after a database that lost ${before.seq - after.seq} numbers`, FLOWING_MS_MAX, async () => {
      const { rows } = await this.pool.query<{ generation: number }>('select generation::float8 as generation from log_head');
      return (rows[0]?.generation ?? 0) > before.generation;
    });
  }

  /** Kills Redis and puts another in its place, under the same address. */
  async replaceRedis(next: () => Promise<SuiteServer>): Promise<void> {
    const { lines, redis: old } = this;
    const cutAt = Date.now();
    lines.redis.refuse();
    await old.kill9();
    const server = await next();
    this.redis = server;
    this.atEnd(() => server.remove());
    lines.redis.lead(server.url);
    lines.redis.heal();
    this.awayMsMax = Math.max(this.awayMsMax, Date.now() - cutAt);
  }

  /** Waits until a later message of every creator is stored. */
  async flowing(): Promise<void> {
    const since = Date.now();
    const ids = (await this.creators()).map(({ id }) => id);
    let left = ids.length;
    await this.wait(
      () => `messages of ${left} of ${ids.length} creators to be stored again`,
      FLOWING_MS_MAX,
      () => {
        left = ids.filter((id) => this.watch.newestOf(id) <= since).length;
        return Promise.resolve(left === 0);
      },
    );
  }

  /** Stops readers and watchers; call it before the stack is stopped. */
  async leave(): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.stop()));
    await this.watch.stop();
    await this.pool.end();
  }

  /** Removes the servers that replaced the stack's own, after its end. */
  async close(): Promise<void> {
    for (const step of this.undo.splice(0).reverse()) await step().catch(() => undefined);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function makePool(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 3 });
  // Its server is killed and replaced; the next query makes a new connection.
  pool.on('error', () => undefined);
  return pool;
}
