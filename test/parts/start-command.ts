import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@tributary/testing';

/** A folder for the data of starts; PostgreSQL's user passes through when the tests run as root. */
export function startFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'tributary-start-'));
  chmodSync(path, 0o711);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** One run of `npm start` with ports of its own and its data in `dataDir`. */
export class Start {
  output = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;

  constructor(
    readonly dataDir: string,
    env: Record<string, string> = {},
    args: string[] = [],
  ) {
    const ports = { API_PORT: '0', SIGNER_PORT: '0', INGEST_PORT: '0', SIMULATOR_PORT: '0' };
    const inherited = { ...process.env, REDIS_URL: '', DATABASE_URL: '', NODE_ENV: 'development' };
    this.child = spawn(process.execPath, ['scripts/start.mjs', ...args], {
      env: { ...inherited, ...ports, TRIBUTARY_DATA_DIR: dataDir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (bytes) => (this.output += String(bytes)));
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }

  /** Waits for its output to match. @throws Error when it ends first, or takes longer than two minutes */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const found = await waitFor(() => pattern.exec(this.output) ?? (this.child.exitCode === null ? undefined : 'ended'), {
      timeoutMs: 120_000,
      what: `${pattern} in the output of npm start`,
    });
    if (found === 'ended') throw new Error(`it ended before it said ${pattern}:\n${this.output.slice(-2_000)}`);
    return found;
  }

  /** Asks the API of this start with its key. @throws Error for any answer but 200 */
  async ask<T>(path: string): Promise<T> {
    const [, address] = await this.says(/Dashboard +(http:\S+?)\/ /);
    const key = readFileSync(join(this.dataDir, 'api-key'), 'utf8').trim();
    const response = await fetch(`${address}${path}`, { headers: { authorization: `Bearer ${key}` } });
    if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
    return (await response.json()) as T;
  }

  /** Ends it, and gives its exit code; null after a kill. */
  end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal) this.child.kill(signal);
    return this.ended;
  }
}
