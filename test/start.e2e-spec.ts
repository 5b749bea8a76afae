import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { Start, startFolder } from './parts/start-command.js';

const root = startFolder();
const dataDir = join(root.path, 'data');
const started: Start[] = [];
const TEST_MS = 300_000;
const STOP_MS_MAX = 10_000;

afterAll(async () => {
  for (const start of started) await start.end('SIGTERM');
  root.remove();
});

function begin(...given: ConstructorParameters<typeof Start>): Start {
  const start = new Start(...given);
  started.push(start);
  return start;
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

interface Page {
  data: { id: string; creator: string }[];
}

describe('npm start', () => {
  it(
    'shows a first event, refuses a second start, stops within 10 s without a trace, goes on with its data, and survives its own kill -9',
    async () => {
      const first = begin(dataDir);
      await first.says(/First event: tiktok\.live\.\w+ of @/);
      const [oldest] = (await first.ask<Page>('/v1/events?limit=1')).data;
      expect(oldest).toBeDefined();
      // The output is a pipe here, as it is for a log file: no key goes there.
      expect(first.output).not.toMatch(/trib_\w{8}/);
      expect((await first.ask<{ data: unknown[] }>('/v1/creators')).data).toHaveLength(6);
      for (const file of [
        'api-key',
        'private.json',
        'creators.json',
        'place.json',
        'lock',
        ...readdirSync(join(dataDir, 'run')).map((name) => join('run', name)),
      ])
        expect([file, statSync(join(dataDir, file)).mode & 0o077]).toEqual([file, 0]);

      const second = begin(dataDir);
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

      const again = begin(dataDir);
      await again.says(/First event: tiktok\.live\.\w+ of @/);
      // The signer kept a session that the simulator of the first run gave out; a refused one is replaced at once.
      expect(again.output).not.toMatch(/cannot connect/);
      expect((await again.ask<Page>('/v1/events?limit=1')).data[0]).toEqual(oldest);
      expect(readFileSync(join(dataDir, 'api-key'), 'utf8')).toBe(key);

      const orphans = recorded();
      await again.end('SIGKILL');
      const third = begin(dataDir);
      await third.says(/Stop +Ctrl-C/);
      expect(orphans.filter(alive)).toEqual([]);
      expect(await begin(dataDir).end()).toBe(1);

      const last = recorded();
      await third.end('SIGKILL');
      await waitFor(() => !last.some(alive) && !existsSync(join(dataDir, 'lock')), { what: 'the orphan reaper to clean up' });
    },
    TEST_MS,
  );

  it('says in one sentence what is wrong, and leaves nothing running', async () => {
    const file = join(root.path, 'a-file');
    writeFileSync(file, '');
    const cases: [Record<string, string>, string[], RegExp][] = [
      [{ TRIBUTARY_DATA_DIR: file }, [], /is a file/],
      [{ API_PORT: 'x' }, [], /API_PORT: expected a port/],
      [{ HOST: '192.0.2.1' }, [], /HOST=192\.0\.2\.1 cannot be listened on/],
      [{}, ['--quick'], /unknown option --quick/],
    ];
    for (const [env, args, sentence] of cases) {
      const start = begin(join(root.path, 'other'), env, args);
      expect(await start.end()).toBe(1);
      expect(start.output).toMatch(sentence);
      expect(start.output.trim().split('\n')).toHaveLength(1);
    }
  });
});
