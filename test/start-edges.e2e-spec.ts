import { cpSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Start, startFolder } from './parts/start-command.js';

const root = startFolder();
const started: Start[] = [];
const squatters: Server[] = [];
const TEST_MS = 300_000;

afterAll(async () => {
  for (const start of started) await start.end('SIGTERM');
  for (const squatter of squatters) squatter.close();
  root.remove();
});

function begin(name: string, env: Record<string, string> = {}, args: string[] = []): Start {
  const start = new Start(join(root.path, name), env, args);
  started.push(start);
  return start;
}

const portsOf = (name: string) => {
  const { redis, postgres } = JSON.parse(readFileSync(join(root.path, name, 'private.json'), 'utf8')) as Record<string, { port: number }>;
  return [redis?.port, postgres?.port];
};

/** Listens on a port as another user's program might, and notes what it is sent. */
async function squat(port: number): Promise<{ heard: () => string }> {
  let heard = '';
  const server = createServer((socket) => {
    socket.on('data', (bytes) => (heard += bytes.toString('latin1')));
    socket.on('error', () => undefined);
  });
  squatters.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return { heard: () => heard };
}

const FIRST_EVENT = /First event: tiktok\.live\.\w+ of @/;

describe('npm start on ground that is not as it was left', () => {
  it(
    'runs a copied data folder beside the original, and sends nothing to whoever took its ports',
    async () => {
      const first = begin('original');
      await first.says(FIRST_EVENT);
      await first.end('SIGTERM');
      cpSync(join(root.path, 'original'), join(root.path, 'copy'), { recursive: true, preserveTimestamps: true });
      const again = begin('original');
      await again.says(FIRST_EVENT);
      // A copy made while the original runs has its lock and its list of processes too.
      for (const name of ['lock', 'run', 'private.json']) {
        rmSync(join(root.path, 'copy', name), { recursive: true, force: true });
        cpSync(join(root.path, 'original', name), join(root.path, 'copy', name), { recursive: true });
      }
      const copy = begin('copy');
      await copy.says(/This data folder is a copy of \S+original: it goes on with the copied data, on ports of its own/);
      await copy.says(FIRST_EVENT);
      expect(portsOf('copy').filter((port) => portsOf('original').includes(port))).toEqual([]);
      for (const start of [again, copy])
        expect((await start.ask<{ workers: { list: unknown[] } }>('/v1/status')).workers.list).toHaveLength(1);
      expect(await copy.end('SIGTERM')).toBe(0);
      expect(again.output).not.toMatch(/ended by itself/);
      expect(await again.end('SIGTERM')).toBe(0);

      const recorded = portsOf('original');
      const heard = await Promise.all(recorded.map((port) => squat(port ?? 0)));
      const third = begin('original');
      await third.says(FIRST_EVENT);
      expect(heard.map((one) => one.heard())).toEqual(['', '']);
      expect(portsOf('original').filter((port) => recorded.includes(port))).toEqual([]);
      await third.end('SIGTERM');
    },
    TEST_MS,
  );

  it(
    'opens nothing to webhooks and runs no simulator in production, starts without rooms elsewhere, and names a setting that is wrong',
    async () => {
      const production = begin('production', { NODE_ENV: 'production' });
      await production.says(/Tributary runs: 0 creators, on TikTok/);
      expect(production.output).toMatch(/NODE_ENV is production: no simulator runs/);
      await production.says(/Webhooks +go to public addresses only/);
      expect(await production.end('SIGTERM')).toBe(0);

      const roomless = begin('production', { SIMULATOR_ROOMS: '0', SIMULATOR_RATE: '0.05' });
      await roomless.says(/Tributary runs: 0 creators, simulated/);
      expect(await roomless.end('SIGTERM')).toBe(0);

      const wrong = begin('production', { SIMULATOR_RATE: 'fast' });
      expect(await wrong.end()).toBe(1);
      expect(wrong.output).toMatch(/SIMULATOR_RATE: expected a number from 0 to 1000/);
    },
    TEST_MS,
  );
});
