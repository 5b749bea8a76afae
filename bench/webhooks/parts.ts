import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nodeFlags } from '@tributary/testing';
import type { Pool } from 'pg';

/** What the receiver has counted. */
export interface Counts {
  requests: number;
  events: number;
  at: number;
  measured: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** A program of this folder as a process, with the api's own flags; its first line of output is JSON. */
export function program<T>(name: string, args: string[]): { child: ChildProcess; first: Promise<T> } {
  const child = spawn(process.execPath, [...nodeFlags('api'), fileURLToPath(new URL(`./${name}.js`, import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const first = new Promise<T>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as T));
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it said anything`)));
  });
  return { child, first };
}

/** The receiver, running. */
export async function startReceiver(): Promise<{ url: string; counts(path?: string): Promise<Counts>; stop(): void }> {
  const { child, first } = program<{ port: number }>('receiver', []);
  const { port } = await first;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    counts: async (path = '/counts') => (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as Counts,
    stop: () => child.kill('SIGKILL'),
  };
}

const COMMENT = 'a comment of the length that comments have on a lively evening, with a little more';

/** Stores `count` chats of one creator, as many rows of a real log. */
export async function fillLog(pool: Pool, count: number): Promise<void> {
  const day = new Date().toISOString().slice(0, 10);
  const user = {
    id: '7540589999123456789',
    uniqueId: 'some.viewer',
    nickname: 'Some Viewer',
    avatarUrl:
      'https://p16-sign.tiktokcdn-us.com/tos-useast5-avt-0068-tx/7310123456789~tplv-tiktokx-cropcenter:100:100.webp?x-expires=1700000000',
    isModerator: false,
    isSubscriber: false,
    followRole: 1,
    gifterLevel: 12,
  };
  await pool.query(
    `with moved as (update log_head set seq = seq + $1 returning seq)
     insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, user_id, user_handle, data)
     select moved.seq - $1 + n, $2::date, '7540589352666090247-' || (moved.seq - $1 + n)::text, 'tiktok.live.chat', 'cr_bench', 'bench', '7540589352666090247',
       now(), now(), '7540589999123456789', 'some.viewer', jsonb_build_object('user', $3::jsonb, 'comment', $4::text || n)
     from moved, generate_series(1, $1) as n`,
    [count, day, JSON.stringify(user), COMMENT],
  );
}
