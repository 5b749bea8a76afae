import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { releaseLock, takeLock } from '../lock.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tributary-tail-'));
const lock = join(folder, 'lock');
const EVENT = JSON.stringify({ type: 'tiktok.live.chat', creator: 'luna.bakes', data: { comment: 'hello' } });
const TEST_MS = 60_000;

/** Requests to an API that has one event, with the key of each. */
let seen: { url: string; key: string }[] = [];
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer(({ url = '', headers }, response) => {
    seen.push({ url, key: headers.authorization ?? '' });
    if (!url.startsWith('/v1/stream')) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`event: hello\ndata: {}\n\nid: 1\nevent: tiktok.live.chat\ndata: ${EVENT}\n\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
  writeFileSync(join(folder, 'api-key'), 'the-key-of-this-folder\n');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  seen = [];
  releaseLock(lock);
});

/** Runs `npm run tail` on the folder until it has printed a line, or ends by itself. */
function tail(args: string[], env: Record<string, string> = {}): Promise<{ out: string; err: string; code: number | null }> {
  const { API_URL: _, API_KEY: __, ...inherited } = process.env;
  const child = spawn(process.execPath, ['scripts/tail/tail.mjs', ...args], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...inherited, TRIBUTARY_DATA_DIR: folder, ...env },
  });
  let [out, err] = ['', ''];
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
    if (out.includes('\n')) child.kill('SIGTERM');
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ out, err, code })));
}

describe('npm run tail', () => {
  it(
    'follows the system that runs in its own folder, on whatever port, with the key of that folder',
    async () => {
      takeLock(lock, { address: `http://127.0.0.1:${port}` });
      const { out, code } = await tail(['@luna.bakes', '--type', 'tiktok.live.chat', '--json'], { API_PORT: '9' });
      expect([out, code]).toEqual([`${EVENT}\n`, 0]);
      expect(seen[0]).toEqual({ url: '/v1/stream?creator=luna.bakes&type=tiktok.live.chat', key: 'Bearer the-key-of-this-folder' });
    },
    TEST_MS,
  );

  it(
    'sends the key of its folder to nobody when nothing runs there, and says what to do',
    async () => {
      for (const dead of [undefined, { pid: process.ppid, identity: 'an earlier boot', address: `http://127.0.0.1:${port}` }]) {
        if (dead) writeFileSync(lock, JSON.stringify(dead));
        const { out, err, code } = await tail([], { API_PORT: String(port) });
        expect([out, code, seen]).toEqual(['', 1, []]);
        expect(err).toMatch(/^[^\n]*nothing runs in this folder[^\n]*\n$/);
      }
    },
    TEST_MS,
  );

  it(
    'sends the key of its folder to no other system',
    async () => {
      takeLock(lock, { address: 'http://127.0.0.1:9' });
      const { out, err, code } = await tail([], { API_URL: `http://127.0.0.1:${port}` });
      expect([out, code, seen]).toEqual(['', 1, []]);
      expect(err).toMatch(/^[^\n]*API_KEY is not set[^\n]*\n$/);
    },
    TEST_MS,
  );

  it(
    'follows the system that API_URL and API_KEY name, though another runs in its folder',
    async () => {
      takeLock(lock, { address: 'http://127.0.0.1:9' });
      const { out } = await tail(['--json'], { API_URL: `http://127.0.0.1:${port}/`, API_KEY: 'another-key' });
      expect([out, seen[0]?.key]).toEqual([`${EVENT}\n`, 'Bearer another-key']);
    },
    TEST_MS,
  );
});
