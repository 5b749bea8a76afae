import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { waitFor } from '../../wait-for.js';
import type { ConnectionInfo } from '../room/connection.js';
import type { LedgerEntry } from '../room/ledger.js';
import { Simulator } from '../simulator.js';
import { control, Viewer } from '../client/viewer.js';

describe('the control API', () => {
  let simulator: Simulator;

  beforeAll(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: 'luna.bakes' }] }).start();
  });

  afterAll(() => simulator.stop());

  it.each([
    ['POST', '/sim/rooms', {}, 'uniqueId: is required'],
    ['POST', '/sim/rooms', { uniqueId: '@x y' }, 'uniqueId: expected a handle'],
    ['POST', '/sim/rooms', { uniqueId: 'LUNA.bakes' }, 'uniqueId: LUNA.bakes is there already'],
    ['POST', '/sim/rooms', { uniqueId: 'a', rate: -1 }, 'rate: expected a number from 0 to 5000'],
    ['POST', '/sim/rooms', { uniqueId: 'a', colour: 'red' }, 'colour: unknown'],
    ['POST', '/sim/rooms', [], 'body: expected a JSON object'],
    ['POST', '/sim/rooms/batch', { count: 1.5 }, 'count: expected a whole number'],
    ['PATCH', '/sim/rooms', { prefix: 'luna' }, 'rate: is required'],
    ['PATCH', '/sim/rooms/luna.bakes', { live: 'yes' }, 'live: expected true or false'],
    ['POST', '/sim/sign', { url: 'ftp://x', userAgent: 'a' }, 'url: expected an http or https URL'],
    ['POST', '/sim/faults', { kind: 'explode' }, 'kind: expected one of drop, garbage'],
    ['POST', '/sim/faults', { kind: 'drop', path: '/' }, 'path: drop is about connections'],
    ['POST', '/sim/faults', { kind: 'silence', ratePerMinute: 1 }, 'durationMs: is required with ratePerMinute'],
    ['POST', '/sim/faults', { kind: 'slow', count: 1 }, 'count: slow lasts'],
    ['POST', '/sim/replay', { uniqueId: 'a', payloads: [{ method: 'WebcastChatMessage' }] }, 'payloads[0].payloadBase64: is required'],
    ['GET', '/sim/rooms/luna.bakes/ledger?after=x', undefined, 'after: expected a whole number'],
  ])('%s %s refuses bad input by the name of its field: %j', async (method, path, body, message) => {
    await expect(control(simulator, method, path, body)).rejects.toThrow(`400 {"message":"${message}`);
  });

  it('takes no order from a page of another origin, and none by a name that is not its own', async () => {
    const strict = await new Simulator({ rooms: [{ uniqueId: 'mine' }], allowsHost: (host) => !host?.startsWith('evil') }).start();
    const { port } = new URL(strict.url);
    /** fetch would set these headers itself. */
    const ask = (method: string, path: string, headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, method, path, headers }, (answer) =>
          resolve((answer.resume(), answer.statusCode!)),
        );
        asked.on('error', reject).end(method === 'POST' ? '{"uniqueId":"theirs"}' : undefined);
      });
    try {
      const foreign: Record<string, string>[] = [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
      ];
      for (const headers of foreign) {
        for (const [method, path] of [
          ['POST', '/sim/rooms'],
          ['DELETE', '/sim/rooms'],
          ['GET', '/sim/rooms'],
        ] as const)
          expect({ headers, method, status: await ask(method, path, { 'content-type': 'text/plain', ...headers }) }).toEqual({
            headers,
            method,
            status: 403,
          });
      }
      for (const path of ['/sim/rooms', '/@mine/live', '/webcast/im/fetch/'])
        expect({ path, status: await ask('GET', path, { host: `evil.example:${port}` }) }).toEqual({ path, status: 421 });
      expect(await ask('GET', '/webcast/im/push/v2/', { host: 'evil.example', connection: 'upgrade', upgrade: 'websocket' })).toBe(421);
      expect([...strict.rooms()].map(({ uniqueId }) => uniqueId)).toEqual(['mine']);
      expect(await ask('POST', '/sim/rooms', { origin: strict.url, 'sec-fetch-site': 'same-origin' })).toBe(201);
    } finally {
      await strict.stop();
    }
  });

  it('says 404 for rooms, faults, replays and routes that are not there', async () => {
    for (const [method, path] of [
      ['GET', '/sim/rooms/nobody'],
      ['DELETE', '/sim/faults/99'],
      ['GET', '/sim/replay/99'],
      ['GET', '/sim/what'],
    ] as const)
      await expect(control(simulator, method, path)).rejects.toThrow('404');
    await expect(control(simulator, 'POST', '/sim/faults', { kind: 'drop', uniqueId: 'nobody' })).rejects.toThrow('404');
  });

  it('changes the rate of the rooms whose handle begins as told, and of no others', async () => {
    await control(simulator, 'POST', '/sim/rooms/batch', { count: 2, prefix: 'paced', rate: 1 });
    expect(await control(simulator, 'PATCH', '/sim/rooms', { prefix: 'paced', rate: 0 })).toEqual({ changed: 2 });
    const rooms = await control<{ uniqueId: string; rate: number }[]>(simulator, 'GET', '/sim/rooms');
    expect(rooms.filter(({ rate }) => rate === 0).map(({ uniqueId }) => uniqueId)).toEqual(['paced0001', 'paced0002']);
  });

  it('opens many rooms in one call, and none when one of the names is taken', async () => {
    const rooms = await control<{ uniqueId: string; live: boolean; roomId: string }[]>(simulator, 'POST', '/sim/rooms/batch', {
      count: 3,
      prefix: 'b',
      live: false,
    });
    expect(rooms.map((room) => [room.uniqueId, room.live, room.roomId])).toEqual([
      ['b0001', false, ''],
      ['b0002', false, ''],
      ['b0003', false, ''],
    ]);
    await expect(control(simulator, 'POST', '/sim/rooms/batch', { count: 5, prefix: 'b' })).rejects.toThrow(
      'prefix: b0001 is there already',
    );
    expect(await control(simulator, 'DELETE', '/sim/rooms/b0002')).toEqual({ removed: 1 });
  });

  it('a new broadcast has a new room id and the same user', async () => {
    const read = () =>
      control<{ roomId: string; userId: string; broadcasts: { roomId: string; endedAt?: number }[] }>(simulator, 'GET', '/sim/rooms/b0001');
    await control(simulator, 'PATCH', '/sim/rooms/b0001', { live: true });
    const first = await read();
    await control(simulator, 'PATCH', '/sim/rooms/b0001', { live: false });
    await control(simulator, 'PATCH', '/sim/rooms/b0001', { live: true });
    const second = await read();
    expect(second.userId).toBe(first.userId);
    expect(second.roomId).not.toBe(first.roomId);
    expect(second.broadcasts.map((broadcast) => typeof broadcast.endedAt)).toEqual(['number', 'undefined']);
  });

  it('the ledger numbers every message once and follows from any position', async () => {
    await control(simulator, 'POST', '/sim/rooms', { uniqueId: 'numbers', rate: 0 });
    await control(simulator, 'POST', '/sim/rooms/numbers/burst', { messages: 2_000, perFrame: 100 });
    const all = await control<LedgerEntry[]>(simulator, 'GET', '/sim/rooms/numbers/ledger');
    expect(all.map((entry) => entry.n)).toEqual(Array.from({ length: 2_003 }, (_, index) => index + 1));
    expect(new Set(all.map((entry) => entry.msgId)).size).toBe(2_003);
    expect(all.map((entry) => entry.msgId)).not.toEqual(all.map((entry) => entry.msgId).sort());
    const now = Date.now() / 1000;
    for (const entry of all) expect(Math.abs(Number(BigInt(entry.msgId) >> 32n) - now)).toBeLessThan(60);
    expect(await control(simulator, 'GET', '/sim/rooms/numbers/ledger?after=1999&limit=2')).toEqual(all.slice(1_999, 2_001));
    const counts = new Map<string, number>();
    let diamonds = 0;
    for (const { n, gift } of all) {
      if (!gift) continue;
      const run = gift.streak ?? `message ${n}`;
      diamonds += Math.max(0, gift.count - (counts.get(run) ?? 0)) * gift.diamonds;
      counts.set(run, Math.max(gift.count, counts.get(run) ?? 0));
    }
    type OneRoom = { broadcasts: { sent: { diamonds: number } }[] };
    expect(diamonds).toBeGreaterThan(0);
    expect((await control<OneRoom>(simulator, 'GET', '/sim/rooms/numbers')).broadcasts[0]?.sent.diamonds).toBe(diamonds);
  });

  it('one room gives the same messages to all of its viewers, and its totals count what they were given', async () => {
    await control(simulator, 'POST', '/sim/rooms', { uniqueId: 'twice', rate: 0 });
    const { roomId } = await control<{ roomId: string }>(simulator, 'GET', '/sim/rooms/twice');
    await control(simulator, 'POST', '/sim/rooms/twice/burst', { messages: 50 });
    const viewer = await Viewer.open(simulator.url);
    const [a, b] = [await viewer.watch(roomId), await viewer.watch(roomId, { anonymous: true })];
    await waitFor(() => a.frames.length > 0 && b.frames.length > 0);
    await control(simulator, 'POST', '/sim/rooms/twice/burst', { messages: 300 });
    await waitFor(() => a.msgIds.length >= 306 && b.msgIds.length >= 306);
    expect(a.msgIds.slice(-300)).toEqual(b.msgIds.slice(-300));
    type OneRoom = { broadcasts: { sent: { messages: number; diamonds: number }; delivered: { messages: number; diamonds: number } }[] };
    const [broadcast] = (await control<OneRoom>(simulator, 'GET', '/sim/rooms/twice')).broadcasts;
    expect(broadcast?.sent.messages).toBe(353);
    expect(broadcast?.delivered.messages).toBe(306);
    const { open } = await control<{ open: ConnectionInfo[] }>(simulator, 'GET', '/sim/rooms/twice/connections');
    expect(open).toHaveLength(2);
    await waitFor(async () =>
      (await control<{ open: ConnectionInfo[] }>(simulator, 'GET', '/sim/rooms/twice/connections')).open.every(
        (one) => one.acks === one.frames,
      ),
    );
    a.socket.terminate();
    b.socket.terminate();
  });

  it('a connect bundle is of real size and its messages stand in the ledger', async () => {
    const viewer = await Viewer.open(simulator.url);
    const bytes = await viewer.bundle(simulator.room('twice')?.roomId ?? '');
    const bundle = ProtoMessageFetchResult.decode(bytes);
    expect(bytes.length).toBeGreaterThan(40_000);
    expect(bytes.length).toBeLessThan(70_000);
    const entries = await control<LedgerEntry[]>(simulator, 'GET', '/sim/rooms/twice/ledger');
    const noted = entries.filter((entry) => entry.connections.some((id) => id.startsWith('f')));
    for (const message of bundle.messages) expect(noted.map((entry) => entry.msgId)).toContain(message.msgId);
  });

  it('shows its counts', async () => {
    expect(await control(simulator, 'GET', '/sim/stats')).toMatchObject({ requests: { home: expect.any(Number) }, refused: {} });
    expect(await control(simulator, 'GET', '/healthz')).toEqual({ status: 'ok' });
  });
});
