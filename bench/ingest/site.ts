import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreatorProjection } from '@tributary/creators';
import { createRedis, type Logger, waitForRedis } from '@tributary/runtime';
import { callJson, freePorts, startRedis, type SuiteServer, waitFor } from '@tributary/testing';
import { Measured } from '../signer/process.js';
import type { ConfirmerAnswers } from './confirmer.js';
import { Part } from './part.js';
import type { TikTokAnswers } from './tiktok.js';

/** A room as the simulator lists it. */
export interface ListedRoom {
  uniqueId: string;
  roomId: string;
  /** Messages its ledger has, over all of its life. */
  messages: number;
}

/** One line of a room's ledger. */
export interface LedgerLine {
  n: number;
  method: string;
}

const PREFIX = 'bench';
const PARTITIONS = 8;
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

/** The environment of an ingest worker: Redis, a simulated TikTok and a signer, each its own process. */
export class Site {
  private ending: Promise<void> | undefined;

  private constructor(
    readonly redis: SuiteServer,
    readonly tiktok: Part<TikTokAnswers>,
    readonly tiktokUrl: string,
    readonly signer: Measured,
    private readonly logDir: string,
    private readonly undo: (() => Promise<unknown>)[],
  ) {}

  /** Starts everything; `seed` decides what the rooms say. What was started is stopped again when one of them does not. */
  static async start(seed: number): Promise<Site> {
    const undo: (() => Promise<unknown>)[] = [];
    // It stays where a run fails, and its name is in the error.
    const logDir = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
    try {
      // What is appended is not kept on disk: the measurement ends at Redis' answer.
      const redis = await startRedis({ appendonly: 'no' });
      undo.push(() => redis.remove());
      const tiktok = await Part.start<TikTokAnswers>('tiktok', { seed: String(seed) });
      undo.push(() => tiktok.stop());
      const tiktokUrl = await tiktok.ask('url');
      const logFile = join(logDir, 'processes.log');
      const [port = 0] = await freePorts(1);
      const url = `http://127.0.0.1:${port}`;
      const signerEnv = {
        REDIS_URL: redis.url,
        SIGNER_PORT: String(port),
        SIGN_PROVIDERS: 'simulator',
        TIKTOK_WEB_URL: tiktokUrl,
        TIKTOK_WEBCAST_URL: tiktokUrl,
      };
      const signer = await Measured.start(program('signer'), signerEnv, url, '/healthz', logFile);
      undo.push(() => signer.stop());
      return new Site(redis, tiktok, tiktokUrl, signer, logDir, undo);
    } catch (error) {
      await unwind(undo);
      throw error;
    }
  }

  /** Opens rooms `prefix0001`, `prefix0002`, ... that make `rate` messages a second once somebody watches. */
  openRooms(prefix: string, count: number, rate: number): Promise<ListedRoom[]> {
    return callJson('POST', `${this.tiktokUrl}/sim/rooms/batch`, { prefix, count, rate });
  }

  async setRate(prefix: string, rate: number): Promise<void> {
    await callJson('PATCH', `${this.tiktokUrl}/sim/rooms`, { prefix, rate });
  }

  async rooms(prefix: string): Promise<ListedRoom[]> {
    const rooms = await callJson<ListedRoom[]>('GET', `${this.tiktokUrl}/sim/rooms`);
    return rooms.filter(({ uniqueId }) => uniqueId.startsWith(prefix));
  }

  /** Messages in the ledgers of these rooms. */
  async sent(prefix: string): Promise<number> {
    return (await this.rooms(prefix)).reduce((sum, { messages }) => sum + messages, 0);
  }

  /** The ledger of one room after entry `after`. */
  async ledger(uniqueId: string, after = 0): Promise<LedgerLine[]> {
    const answer = await fetch(`${this.tiktokUrl}/sim/rooms/${uniqueId}/ledger?after=${after}`);
    const lines = (await answer.text()).split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as LedgerLine);
  }

  /** Starts the part that reads and confirms what workers append. */
  startConfirmer(): Promise<Part<ConfirmerAnswers>> {
    return this.startPart('confirmer', { redisUrl: this.redis.url, prefix: PREFIX, partitions: PARTITIONS });
  }

  /** Starts another part of this folder, stopped with the site. */
  async startPart<Answers>(name: string, setup: object, env: Record<string, string> = {}): Promise<Part<Answers>> {
    const part = await Part.start<Answers>(name, setup, env);
    this.undo.push(() => part.stop());
    return part;
  }

  /** Starts a real worker, and gives it a creator for each of these handles. */
  async startWorker(names: readonly string[], env: Record<string, string> = {}): Promise<Measured> {
    const client = createRedis(this.redis.url, quiet, { name: 'bench' });
    await waitForRedis(client, quiet);
    const creators = names.map((uniqueId) => ({ id: `cr_${uniqueId}`, uniqueId, paused: false, options: {} }));
    await new CreatorProjection({ redis: client, prefix: PREFIX }).write(creators, '1', new Map());
    client.disconnect();
    const [port = 0] = await freePorts(1);
    const workerEnv = {
      REDIS_URL: this.redis.url,
      REDIS_PREFIX: PREFIX,
      PARTITIONS: String(PARTITIONS),
      INGEST_PORT: String(port),
      WORKER_CAPACITY: String(names.length),
      SIGNER_URL: this.signer.url,
      TIKTOK_WEB_URL: this.tiktokUrl,
      TIKTOK_WEBCAST_URL: this.tiktokUrl,
      TIKTOK_SOCKET_URL: `${this.tiktokUrl.replace('http', 'ws')}/webcast/im/ws_proxy/ws_reuse_supplement/`,
      // The rate limits that protect TikTok and a rented signer would only delay the start.
      SIGN_PER_MINUTE: '100000',
      POLLS_PER_SECOND: '10000',
      ...env,
    };
    const worker = await Measured.start(program('ingest'), workerEnv, `http://127.0.0.1:${port}`, '/healthz', this.logFile);
    this.undo.push(() => worker.stop());
    return worker;
  }

  /** Waits until the worker receives so many creators; how long it took, in ms. */
  async allLive(worker: Measured, count: number, timeoutMs: number): Promise<number> {
    const startedAt = performance.now();
    const live = async () => valueOf(await metricsOf(worker), 'tributary_ingest_creators', 'state="live"') >= count;
    await waitFor(live, { timeoutMs, everyMs: 250, what: `${count} rooms to be live; logs are in ${this.logDir}` });
    return performance.now() - startedAt;
  }

  /** Ends every process. The logs go with them when `isDone`. */
  async stop(isDone: boolean): Promise<void> {
    // A second caller waits for the same end: after a signal the failed work calls it too.
    await (this.ending ??= unwind(this.undo));
    if (isDone) await rm(this.logDir, { recursive: true, force: true });
  }

  private get logFile(): string {
    return join(this.logDir, 'processes.log');
  }
}

/** The metrics of a process, as Prometheus reads them. Its event loop's histogram begins anew with each reading. */
export async function metricsOf(worker: Measured): Promise<string> {
  const answer = await fetch(`${worker.url}/metrics`, { signal: AbortSignal.timeout(10_000) });
  return answer.text();
}

/** One value of a metric, by its name and a label; NaN when it is not there. */
export function valueOf(metrics: string, name: string, label = ''): number {
  const line = metrics.split('\n').find((one) => one.startsWith(name) && /^[{ ]/.test(one.slice(name.length)) && one.includes(label));
  return Number(line?.slice(line.lastIndexOf(' ') + 1) ?? NaN);
}

/**
 * Runs `work` with a site, and stops every process of it however the work ends, a signal included.
 */
export async function withSite<T>(seed: number, work: (site: Site) => Promise<T>): Promise<T> {
  const site = await Site.start(seed);
  const onSignal = () => void site.stop(true).then(() => process.exit(130));
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  let isDone = false;
  try {
    const result = await work(site);
    isDone = true;
    return result;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    await site.stop(isDone);
  }
}

function program(app: string): string {
  return join(process.cwd(), 'dist/apps', app, 'src/main.js');
}

async function unwind(undo: (() => Promise<unknown>)[]): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step();
}
