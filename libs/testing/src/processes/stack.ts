import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { guard, nodeFlags, processIdentity } from '../../../../scripts/servers/index.mjs';
import { type FaultProxy, startProxy } from '../network/fault-proxy.js';
import { startPostgres, startRedis, type SuiteServer } from './servers.js';
import { waitFor } from '../wait-for.js';

const run = promisify(execFile);
/** Generous, because several stacks may start at once on a busy machine. */
const START_MS_MAX = 90_000;
const STOP_MS_MAX = 10_000;
/** If this process dies, the stack's processes end before its databases. */
const STAGE = 1;

export interface StackOptions {
  /** Folder of the compiled project. */
  dist?: string;
  /** Ingest workers. */
  workers?: number;
  /** Rooms the simulator opens by itself. */
  rooms?: number;
  /** Messages a second of these rooms, as a multiple of a moderate room. */
  rate?: number;
  /** Further environment for every process. */
  env?: Record<string, string>;
  /** Where each process writes its log; a temporary folder when missing. */
  logDir?: string;
  /** `everysec` unless told otherwise. */
  appendonly?: 'no' | 'everysec' | 'always';
  /** Puts a fault proxy before the simulator, for its pages, API and WebSockets. */
  network?: boolean;
  /** Puts fault proxies before Redis, PostgreSQL and the signer, so that their addresses stay when a server is replaced. */
  lines?: boolean;
  /** Folders in which Redis, PostgreSQL and the spools are kept, such as small file systems. */
  folders?: { redis?: string; postgres?: string; spool?: string };
  /** All workers spool into one folder. */
  sharedSpool?: boolean;
  /** Each worker has a host name of its own, as in a container; only where {@link canNameHosts}. */
  hosts?: boolean;
}

/** The fault proxies before Redis, PostgreSQL and the signer. */
export interface StackLines {
  readonly redis: FaultProxy;
  readonly postgres: FaultProxy;
  readonly signer: FaultProxy;
}

/** One process of the stack, over its restarts. */
export interface StackProcess {
  readonly name: string;
  readonly pid: number;
  start(): Promise<void>;
  /** Sends SIGTERM and waits for the end. After 10 s it sends SIGKILL and returns `false`. */
  stop(): Promise<boolean>;
  kill9(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** A whole Tributary of real processes with servers and ports of its own. */
export interface Stack {
  readonly redis: SuiteServer;
  readonly postgres: SuiteServer;
  readonly simulator: StackProcess;
  readonly signer: StackProcess;
  readonly api: StackProcess;
  readonly workers: StackProcess[];
  /** The fault proxy before the simulator, where it was asked for; `urls.simulator` bypasses it. */
  readonly network?: FaultProxy;
  /** Where they were asked for; `redis.url`, `postgres.url` and `urls.signer` bypass them. */
  readonly lines?: StackLines;
  readonly urls: { api: string; simulator: string; signer: string; workers: string[] };
  readonly key: string;
  readonly logDir: string;
  /** Calls the API with the stack's admin key; the parsed JSON. @throws on any answer but 2xx */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  stop(): Promise<void>;
}

/** Starts databases, simulator, signer, workers and api, and waits until each is ready. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const dist = options.dist ?? join(process.cwd(), 'dist');
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const redis = await startRedis({ appendonly: options.appendonly ?? 'everysec', maxmemory: '1gb', within: options.folders?.redis });
    undo.push(() => redis.remove());
    const postgres = await startPostgres({ within: options.folders?.postgres });
    undo.push(() => postgres.remove());
    const logDir = options.logDir ?? redis.dir;
    const workerCount = options.workers ?? 1;
    const [apiPort, signerPort, simulatorPort, ...workerPorts] = await freePorts(3 + workerCount);
    const urls = {
      api: `http://127.0.0.1:${apiPort}`,
      signer: `http://127.0.0.1:${signerPort}`,
      simulator: `http://127.0.0.1:${simulatorPort}`,
      workers: workerPorts.map((port) => `http://127.0.0.1:${port}`),
    };
    const network = options.network ? await startProxy(urls.simulator) : undefined;
    if (network) undo.push(() => network.close());
    const lines = options.lines ? await startLines(redis.url, postgres.url, urls.signer) : undefined;
    if (lines) undo.push(() => Promise.all(Object.values(lines).map((line: FaultProxy) => line.close())));
    const tiktok = network ? `http://${network.host}:${network.port}` : urls.simulator;
    const env: Record<string, string> = {
      PATH: process.env.PATH ?? '',
      NODE_ENV: 'development',
      REDIS_URL: lines?.redis.url ?? redis.url,
      DATABASE_URL: lines?.postgres.url ?? postgres.url,
      API_PORT: String(apiPort),
      SIGNER_PORT: String(signerPort),
      SIMULATOR_PORT: String(simulatorPort),
      SIGNER_URL: lines?.signer.url ?? urls.signer,
      SIGN_PROVIDERS: 'simulator',
      TIKTOK_WEB_URL: tiktok,
      TIKTOK_WEBCAST_URL: tiktok,
      TIKTOK_SOCKET_URL: `${tiktok.replace('http', 'ws')}/webcast/im/ws_proxy/ws_reuse_supplement/`,
      SIMULATOR_ROOMS: String(options.rooms ?? 0),
      SIMULATOR_RATE: String(options.rate ?? 1),
      POLL_MS: '1000',
      POLLS_PER_SECOND: '200',
      ...options.env,
    };
    await run(process.execPath, [join(dist, 'apps/api/src/admin.js'), 'migrate'], { env });
    const created = await run(process.execPath, [join(dist, 'apps/api/src/admin.js'), 'create-key', 'stack', 'admin'], { env });
    const { key } = JSON.parse(created.stdout) as { key: string };

    const processes: Process[] = [];
    // All at once, since no worker is left that could take creators over.
    undo.push(() => Promise.all(processes.map((one) => one.stop())));
    const make = (name: string, app: string, health: string, more: Record<string, string> = {}, host?: string) => {
      const node = [process.execPath, ...nodeFlags(app), '--enable-source-maps', join(dist, `apps/${app}/src/main.js`)];
      const made = new Process(
        name,
        host === undefined ? node : [...HOST_NAMED, host, ...node],
        { ...env, ...more },
        join(logDir, `${name}.log`),
        health,
      );
      processes.push(made);
      return made;
    };
    const simulator = make('simulator', 'simulator', `${urls.simulator}/sim/stats`);
    const signer = make('signer', 'signer', `${urls.signer}/healthz`);
    const api = make('api', 'api', `${urls.api}/readyz`);
    const workers = urls.workers.map((url, n) => {
      const name = `ingest-${n}`;
      const spoolDir = join(options.folders?.spool ?? redis.dir, options.sharedSpool ? 'spool' : `${name}-spool`);
      mkdirSync(spoolDir, { recursive: true });
      const own = { INGEST_PORT: new URL(url).port, WORKER_ID: name, SPOOL_DIR: spoolDir };
      return make(name, 'ingest', `${url}/healthz`, own, options.hosts ? name : undefined);
    });
    await simulator.start();
    await Promise.all([signer, api].map((part) => part.start()));
    await Promise.all(workers.map((worker) => worker.start()));
    return {
      redis,
      postgres,
      simulator,
      signer,
      api,
      workers,
      ...(network ? { network } : {}),
      ...(lines ? { lines } : {}),
      urls,
      key,
      logDir,
      call: <T>(method: string, path: string, body?: unknown) =>
        callJson<T>(method, `${urls.api}${path}`, body, { authorization: `Bearer ${key}` }),
      stop: () => unwind(undo),
    };
  } catch (error) {
    await unwind(undo);
    throw error;
  }
}

/** A JSON request. @throws Error with status and body on any answer but 2xx */
export async function callJson<T>(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  const answer = await fetch(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname} answered ${answer.status}: ${text.slice(0, 300)}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** Ports that are free at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function startLines(redisUrl: string, postgresUrl: string, signerUrl: string): Promise<StackLines> {
  const [redis, postgres, signer] = await Promise.all([startProxy(redisUrl), startProxy(postgresUrl), startProxy(signerUrl)]);
  return { redis, postgres, signer };
}

/** Runs a program under another host name. The process keeps its id and gets its signals. */
const HOST_NAMED = ['unshare', '--uts', 'sh', '-c', 'hostname "$0" && exec "$@"'];

/** Whether this system lets a process have a host name of its own (Linux, as root). */
export function canNameHosts(): boolean {
  const [command = '', ...args] = HOST_NAMED;
  return spawnSync(command, [...args, 'probe', 'true'], { stdio: 'ignore' }).status === 0;
}

async function unwind(undo: (() => Promise<unknown>)[]): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step();
}

class Process implements StackProcess {
  private child: ChildProcess | undefined;

  constructor(
    readonly name: string,
    private readonly command: readonly string[],
    private readonly env: Record<string, string>,
    private readonly logFile: string,
    private readonly health: string,
  ) {}

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const log = createWriteStream(this.logFile, { flags: 'a' });
    // Its own process group: the terminal's Ctrl-C reaches the suite only, which stops everything in order.
    const [program = '', ...args] = this.command;
    const child = spawn(program, args, {
      env: this.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.watch(child);
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('close', () => log.end());
    this.child = child;
    await waitFor(
      async () => {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`${this.name} ended with ${child.exitCode ?? child.signalCode}`);
        return (await fetch(this.health, { signal: AbortSignal.timeout(2_000) })).ok;
      },
      { timeoutMs: START_MS_MAX, everyMs: 50, what: `${this.name} to be ready; its log is ${this.logFile}` },
    );
  }

  async stop(): Promise<boolean> {
    return this.end('SIGTERM', STOP_MS_MAX);
  }

  async kill9(): Promise<void> {
    await this.end('SIGKILL', STOP_MS_MAX);
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Sees to it that the process does not outlive this one. */
  private watch(child: ChildProcess): void {
    const { pid } = child;
    const identity = pid === undefined ? undefined : processIdentity(pid);
    if (pid === undefined || identity === undefined) return;
    guard.watch({ name: this.name, pid, identity, stage: STAGE, stopSignal: 'SIGTERM', stopMsMax: STOP_MS_MAX });
    child.once('exit', () => guard.forget(pid));
  }

  private async end(signal: NodeJS.Signals, withinMs: number): Promise<boolean> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return true;
    const ended = new Promise<boolean>((resolve) => child.once('exit', () => resolve(true)));
    child.kill(signal);
    // A frozen process handles no other signal.
    child.kill('SIGCONT');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), withinMs);
    });
    const inTime = await Promise.race([ended, late]);
    clearTimeout(timer);
    if (!inTime) {
      child.kill('SIGKILL');
      await ended;
    }
    return inTime;
  }
}
