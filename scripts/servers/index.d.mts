/** A process as it is written down, so that it can be found and stopped after its owner's death. */
export interface ProcessRecord {
  name: string;
  pid: number;
  /** Boot and start time: a later process with the same number differs in it. */
  identity: string;
  /** Processes are stopped lowest stage first. */
  stage: number;
  stopSignal: NodeJS.Signals;
  /** Time it gets to stop by itself before SIGKILL, in ms. */
  stopMsMax: number;
}

/** User that a server runs as; empty for one's own. */
export interface UserIds {
  uid?: number;
  gid?: number;
}

export interface RedisBinary {
  command: string;
  env: Record<string, string>;
}

export interface ServerProcessOptions {
  name: string;
  command: string;
  args: () => string[];
  env?: NodeJS.ProcessEnv;
  ids?: UserIds;
  logFile: string;
  /** Whether the process just started has itself said, in a file that only this user or root can write, that it listens. */
  listens: (pid: number) => boolean;
  /** Whether the server answers its clients. Asked only once it listens. */
  answers: () => Promise<boolean>;
  startMsMax: number;
  stage: number;
  stopSignal: NodeJS.Signals;
  stopMsMax: number;
  onStart?: ((record: ProcessRecord) => void) | undefined;
  /** Ends a start that still waits. */
  signal?: AbortSignal | undefined;
}

/** A private server on 127.0.0.1; the same object, port and folder over restarts. */
export interface PrivateServer {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** Process id; 0 while it does not run. */
  readonly pid: number;
  /** Called when it ends without having been told to. */
  onCrash?: ((how: string) => void) | undefined;
  /** The last telling line of its log. */
  lastWords(): string;
  /** Starts it after `stop` or `kill9`. */
  start(): Promise<void>;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  restart(): Promise<void>;
  /** Freezes it: connections stay open and nothing answers. */
  sigstop(): void;
  sigcont(): void;
}

export interface ServerHooks {
  /** Called at each start with what must be written down to find the process again. */
  onStart?: (record: ProcessRecord) => void;
}

export interface RedisOptions {
  /** Folder of its data, configuration and log; made when missing. */
  dir: string;
  /** A free one when missing. */
  port?: number;
  /** Default: in `dir`. */
  logFile?: string;
  password?: string;
  /** `no` keeps nothing over a restart. Default `everysec`. */
  appendonly?: 'no' | 'everysec' | 'always';
  /** As in redis.conf, e.g. `512mb`; no limit when missing. */
  maxmemory?: string;
  /** Further lines of redis.conf. */
  settings?: string[];
  say?: (text: string) => void;
  hooks?: ServerHooks;
  /** Ends a start that still waits. */
  signal?: AbortSignal;
}

export interface PostgresOptions {
  dir: string;
  port?: number;
  /** Default: beside `dir`, which PostgreSQL wants for itself. */
  logFile?: string;
  /** scram-sha-256; without one every local connection is trusted. */
  password?: string;
  /** Made when missing. Default `postgres`. */
  database?: string;
  /** False: fsync is off, for tests that never cut the power. Default true. */
  durable?: boolean;
  settings?: Record<string, string>;
  say?: (text: string) => void;
  hooks?: ServerHooks;
  /** Ends a start that still waits. */
  signal?: AbortSignal;
}

/** @throws when there is no Redis to be had, or it does not start. */
export function startRedis(options: RedisOptions): Promise<PrivateServer>;
/** @throws when the data folder is damaged or of another version, or it does not start. */
export function startPostgres(options: PostgresOptions): Promise<PrivateServer>;
/** The processes that must not outlive this one, however it ends. */
export const guard: { watch(record: ProcessRecord): void; forget(pid: number): void };
/** What tells a process from a later one with the same number; undefined when there is no such process. */
export function processIdentity(pid: number): string | undefined;
/** A folder under the system's temporary one that goes with this process at the latest. */
export function temporaryFolder(name: string): { path: string; remove(): void };

/** How Node is told to run an app: `api`, `signer` or `ingest`. */
export function nodeFlags(app: string): readonly string[];

/** An expected failure: its message is one clear sentence. */
export class CliError extends Error {}
/** `parseArgs` of Node, whose errors are one sentence each. @throws CliError that names the option or argument */
export function readArguments<T extends import('node:util').ParseArgsConfig>(
  config: T,
): ReturnType<typeof import('node:util').parseArgs<T>>;
