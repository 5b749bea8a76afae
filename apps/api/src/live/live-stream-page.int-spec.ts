import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EVENT_TYPES } from '@tributary/events';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, draft } from '../testing/api-under-test.js';
import { type LiveMessage, STREAM_ENDS } from './codec.js';
import { StreamLimits } from './stream-limits.js';

/** Names of the frames that are no events of the log. Each event of the log has its type as its name, which holds a dot. */
const KINDS: Record<Exclude<LiveMessage['kind'], 'event' | 'heartbeat'>, true> = { hello: true, position: true, closed: true };
const STREAM_FRAMES = Object.keys(KINDS);

const page = readFileSync(fileURLToPath(new URL('../../../../docs/live-stream.md', import.meta.url)), 'utf8');
/** Rows of the table whose head begins with `first`, as cells. */
const table = (first: string) =>
  page
    .slice(page.indexOf(`| ${first} |`))
    .split('\n\n')[0]!
    .split('\n')
    .slice(2)
    .map((row) => row.split('|').map((cell) => cell.trim().replaceAll('`', '')));
const examples = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!);

let api: ApiUnderTest;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tributary-page-'));
  writeFileSync(join(folder, 'follow.mjs'), examples[0]!);
  api = await ApiUnderTest.start({ limits: { lateMs: 200 } });
});
afterAll(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

describe('the page of the live stream', () => {
  it('names every frame, and every reason for which a stream ends with its code', () => {
    const names = table('name').map(([, name]) => name);
    expect(names.filter((name) => STREAM_FRAMES.some((frame) => frame === name)).sort()).toEqual([...STREAM_FRAMES].sort());
    const other = names.filter((name) => !STREAM_FRAMES.some((frame) => frame === name));
    expect(other).toHaveLength(1);
    for (const type of other[0]!.match(/[a-z]+(?:\.[a-zA-Z]+)+/g) ?? []) expect(EVENT_TYPES).toContain(type);
    // What makes an event's frame known from the others.
    expect(EVENT_TYPES.every((type) => type.includes('.')) && STREAM_FRAMES.every((frame) => !frame.includes('.'))).toBe(true);
    expect(Object.fromEntries(table('`reason`').map(([, reason, code]) => [reason, Number(code)]))).toEqual(
      Object.fromEntries(Object.entries(STREAM_ENDS).map(([reason, { code }]) => [reason, code])),
    );
  });

  it('tells the bounds that hold', () => {
    const limits = new StreamLimits();
    expect(page).toContain(`heartbeats, every ${limits.heartbeatMs / 1000} s`);
    expect(page).toContain(`the stream ends ${limits.lateMs / 1000} s after it`);
    expect(page).toContain(`took nothing for ${limits.drainMsMax / 1000} s`);
    expect(page).toContain(`one process ${limits.streamsMax.toLocaleString('en')}`);
  });

  it('has a curl command that receives events', async () => {
    await api.call('POST', '/v1/creators', { body: { uniqueId: 'some.creator' } });
    const { body } = await api.call<{ id: string }>('GET', '/v1/creators/some.creator');
    const command = /```sh\n(curl [^\n]*)/.exec(page)![1]!.replace('http://127.0.0.1:3000', api.url);
    const child = spawn('sh', ['-c', `exec ${command}`], { env: { ...process.env, KEY: api.adminKey } });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    try {
      await waitFor(() => out.includes('event: hello'), { what: 'the greeting' });
      await api.commit([draft({ creatorId: body.id, type: 'tiktok.live.gift', data: {} }), draft({ creatorId: body.id })]);
      await waitFor(() => /^event: tiktok.live.gift$/m.test(out), { what: 'a gift' });
      expect(out).not.toContain('tiktok.live.chat');
    } finally {
      child.kill();
    }
  });

  it('has a reader that reconnects where it was, stops at the end, and is refused aloud', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', READER], {
      env: {
        ...process.env,
        FOLLOW: pathToFileURL(join(folder, 'follow.mjs')).href,
        API: api.url,
        KEY: api.adminKey,
        ...(await makeEvents()),
      },
    });
    expect(JSON.parse(stdout)).toEqual({
      end: 'until',
      seen: [0, 1, 2, 3, 4, 5],
      connections: 3,
      refused: expect.stringContaining('unauthorized'),
    });
  });

  it('has a script that goes on after a restart with nothing lost', async () => {
    writeFileSync(join(folder, 'script.mjs'), examples[2]!);
    const room = 'restart';
    const run = () => {
      const child = spawn(process.execPath, ['script.mjs'], {
        cwd: folder,
        env: { ...process.env, STREAM_URL: `${api.url}/v1/stream?room=${room}`, KEY: api.adminKey },
      });
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
      // The end of the session of a room that nobody watches is an event of the room too.
      const ids = () => out.split('\n').flatMap((line) => line.split(' ')[2] ?? []);
      return { child, ids: () => ids().filter((id) => id.startsWith(`${room}-`)) };
    };
    const drafts = Array.from({ length: 6 }, () => draft({ roomId: room }));
    const streams = async () => (await api.call<{ live: { streams: number } }>('GET', '/v1/status')).body.live.streams;
    await waitFor(async () => (await streams()) === 0, { what: 'the end of the streams of before' });
    const first = run();
    await waitFor(async () => (await streams()) === 1, { what: 'the stream of the script' });
    await api.commit(drafts.slice(0, 3));
    await waitFor(() => first.ids().length === 3, { what: 'three events' });
    first.child.kill('SIGKILL');
    await api.commit(drafts.slice(3));
    const second = run();
    try {
      await waitFor(() => second.ids().includes(drafts[5]!.id), { what: 'the last event' });
      // It may have been killed between an event and its position: that event comes again.
      expect([...new Set([...first.ids(), ...second.ids()])]).toEqual(drafts.map(({ id }) => id));
      expect(second.ids().length).toBeLessThanOrEqual(4);
    } finally {
      second.child.kill();
    }
  });
});

/** Six events of a room before a time that is past. */
async function makeEvents(): Promise<{ QUERY: string }> {
  const at = Date.UTC(2026, 10, 22, 10);
  await api.commit(Array.from({ length: 6 }, (_, n) => draft({ roomId: 'reader', data: { n }, receivedAt: at + n })));
  return { QUERY: `room=reader&since=${new Date(at).toISOString()}&until=${new Date(at + 6).toISOString()}` };
}

/** Follows through connections that break after two events each. */
const READER = `
const { follow } = await import(process.env.FOLLOW);
const url = process.env.API + '/v1/stream?' + process.env.QUERY;
const seen = [];
let connections = 0;
const ask = globalThis.fetch;
globalThis.fetch = async (...args) => {
  const response = await ask(...args);
  connections += 1;
  if (connections === 3) return response;
  let left = 2;
  const broken = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({
    transform(text, out) {
      for (const part of text.split(/(?<=\\n\\n)/)) {
        if (/^event: tiktok/m.test(part)) left -= 1;
        if (left < 0) return out.error(new Error('broken'));
        out.enqueue(part);
      }
    },
  })).pipeThrough(new TextEncoderStream());
  return new Response(broken, { status: response.status });
};
const end = await follow({ url, key: process.env.KEY, onEvent: ({ data }) => { seen.push(data.n); } });
globalThis.fetch = ask;
const refused = await follow({ url, key: 'wrong', onEvent: () => {} }).catch((error) => error.message);
console.log(JSON.stringify({ end, seen, connections, refused }));
`;
