import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';

const root = mkdtempSync(join(tmpdir(), 'tributary-start-'));
// PostgreSQL's user passes through when the tests run as root.
chmodSync(root, 0o711);
const dataDir = join(root, 'data');
const started: Start[] = [];
const TEST_MS = 300_000;
const STOP_MS_MAX = 10_000;

afterAll(async () => {
  for (const start of started) await start.end('SIGTERM');
  rmSync(root, { recursive: true, force: true });
});

/** One run of `npm start` with ports and data of its own. */
class Start {
  output = '';
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;

  constructor(env: Record<string, string> = {}, args: string[] = []) {
    const ports = { API_PORT: '0', SIGNER_PORT: '0', INGEST_PORT: '0', SIMULATOR_PORT: '0' };
    const inherited = { ...process.env, REDIS_URL: '', DATABASE_URL: '', NODE_ENV: 'development' };
    this.child = spawn(process.execPath, ['scripts/start.mjs', ...args], {
      env: { ...inherited, ...ports, TRIBUTARY_DATA_DIR: dataDir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (bytes) => (this.output += String(bytes)));
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
    started.push(this);
  }

  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return waitFor(
      () => {
        const found = pattern.exec(this.output);
        if (!found && this.child.exitCode !== null) throw new Error(`it ended:\n${this.output.slice(-2_000)}`);
        return found;
      },
      { timeoutMs: 120_000, what: `${pattern} in the output of npm start` },
    );
  }

  /** Ends it, and gives its exit code; null after a kill. */
  end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal) this.child.kill(signal);
    return this.ended;
  }
}

/** Process ids that the start wrote down. */
function recorded(): number[] {
  const folder = join(dataDir, 'run');
  return readdirSync(folder).map((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { pid: number }).pid);
}

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function ask<T>(start: Start, path: string): Promise<T> {
  const [, address, key] = await start.says(/Dashboard +(http:\S+?)\/#key=(trib_\w+)/);
  const response = await fetch(`${address}${path}`, { headers: { authorization: `Bearer ${key}` } });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

interface Page {
  data: { id: string; creator: string }[];
}

describe('npm start', () => {
  it(
    'shows a first event, refuses a second start, stops within 10 s without a trace, goes on with its data, and survives its own kill -9',
    async () => {
      const first = new Start();
      await first.says(/First event: tiktok\.live\.\w+ of @/);
      const [oldest] = (await ask<Page>(first, '/v1/events?limit=1')).data;
      expect(oldest).toBeDefined();
      expect((await ask<{ data: unknown[] }>(first, '/v1/creators')).data).toHaveLength(6);
      expect(statSync(join(dataDir, 'api-key')).mode & 0o777).toBe(0o600);

      const second = new Start();
      expect(await second.end()).toBe(1);
      expect(second.output).toMatch(/^Cannot go on: Tributary already runs in this folder \(process \d+, http:\S+\); [^\n]+\n$/);

      const before = recorded();
      expect(before).toHaveLength(6);
      const key = readFileSync(join(dataDir, 'api-key'), 'utf8');
      const stopAt = Date.now();
      expect(await first.end('SIGINT')).toBe(0);
      expect(Date.now() - stopAt).toBeLessThan(STOP_MS_MAX);
      expect(before.filter(alive)).toEqual([]);
      expect(existsSync(join(dataDir, 'lock'))).toBe(false);

      const again = new Start();
      await again.says(/First event: tiktok\.live\.\w+ of @/);
      // The signer kept a session that the simulator of the first run gave out; a refused one is replaced at once.
      expect(again.output).not.toMatch(/cannot connect/);
      expect((await ask<Page>(again, '/v1/events?limit=1')).data[0]).toEqual(oldest);
      expect(readFileSync(join(dataDir, 'api-key'), 'utf8')).toBe(key);

      const orphans = recorded();
      await again.end('SIGKILL');
      const third = new Start();
      await third.says(/Stop +Ctrl-C/);
      expect(orphans.filter(alive)).toEqual([]);
      expect(await new Start().end()).toBe(1);

      const last = recorded();
      await third.end('SIGKILL');
      await waitFor(() => !last.some(alive) && !existsSync(join(dataDir, 'lock')), { timeoutMs: 15_000, what: 'the warden to clean up' });
    },
    TEST_MS,
  );

  it('says in one sentence what is wrong, and leaves nothing running', async () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    const cases: [Record<string, string>, string[], RegExp][] = [
      [{ TRIBUTARY_DATA_DIR: file }, [], /is a file/],
      [{ API_PORT: 'x' }, [], /API_PORT: expected a port/],
      [{ HOST: '192.0.2.1' }, [], /HOST=192\.0\.2\.1 cannot be listened on/],
      [{}, ['--quick'], /unknown option --quick/],
    ];
    for (const [env, args, sentence] of cases) {
      const start = new Start({ TRIBUTARY_DATA_DIR: join(root, 'other'), ...env }, args);
      expect(await start.end()).toBe(1);
      expect(start.output).toMatch(sentence);
      expect(start.output.trim().split('\n')).toHaveLength(1);
    }
  }, 60_000);
});
