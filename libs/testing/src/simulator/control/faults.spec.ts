import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { waitFor } from '../../wait-for.js';
import type { FaultLogEntry } from './faults.js';
import type { LedgerEntry } from '../room/ledger.js';
import { Simulator } from '../simulator.js';
import { control, Viewer, type Watcher } from '../client/viewer.js';

const ROOM = 'otto_fixes';

describe('faults on command', () => {
  let simulator: Simulator;
  let viewer: Viewer;
  let roomId: string;
  const watchers: Watcher[] = [];

  beforeEach(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: ROOM, rate: 60 }, { uniqueId: 'other' }] }).start();
    viewer = await Viewer.open(simulator.url);
    roomId = simulator.room(ROOM)?.roomId ?? '';
  });

  afterEach(async () => {
    for (const watcher of watchers.splice(0)) watcher.socket.terminate();
    await simulator.stop();
  });

  const watch = async (room = roomId): Promise<Watcher> => {
    const watcher = await viewer.watch(room);
    watchers.push(watcher);
    await waitFor(() => watcher.frames.length > 0, { what: 'first frame' });
    return watcher;
  };
  const fault = (spec: object) => control<{ id: number }>(simulator, 'POST', '/sim/faults', { uniqueId: ROOM, ...spec });
  const log = () => control<FaultLogEntry[]>(simulator, 'GET', '/sim/faults/log');
  const ledger = () => control<LedgerEntry[]>(simulator, 'GET', `/sim/rooms/${ROOM}/ledger`);

  it('drop cuts the sockets of that room alone, without a close frame', async () => {
    const [watcher, other] = [await watch(), await watch(simulator.room('other')?.roomId)];
    let code = 0;
    watcher.socket.on('close', (closed) => (code = closed));
    await fault({ kind: 'drop' });
    await waitFor(() => watcher.closed);
    expect(code).toBe(1006);
    expect(other.closed).toBe(false);
    expect(await log()).toMatchObject([{ kind: 'drop', uniqueId: ROOM, connections: ['c1'] }]);
  });

  it('silence keeps the socket open and writes nothing; the ledger says so', async () => {
    const watcher = await watch();
    const { id } = await fault({ kind: 'silence' });
    const head = simulator.room(ROOM)?.ledger.head ?? 0;
    const before = watcher.frames.length;
    await waitFor(() => (simulator.room(ROOM)?.ledger.head ?? 0) > head + 60);
    expect(watcher.frames.length - before).toBeLessThanOrEqual(1);
    expect(watcher.closed).toBe(false);
    await control(simulator, 'DELETE', `/sim/faults/${id}`);
    await waitFor(() => watcher.frames.length > before + 3);
    const unwritten = (await ledger()).filter((entry) => entry.n > head && entry.connections.length === 0);
    expect(unwritten.length).toBeGreaterThanOrEqual(55);
    expect(unwritten.some((entry) => watcher.msgIds.includes(entry.msgId))).toBe(false);
  });

  it('slow trickles whole frames, and nothing is lost when it ends', async () => {
    const watcher = await watch();
    const { id } = await fault({ kind: 'slow', bytesPerSecond: 300 });
    const before = watcher.frames.length;
    const head = simulator.room(ROOM)?.ledger.head ?? 0;
    await waitFor(() => (simulator.room(ROOM)?.ledger.head ?? 0) > head + 40);
    expect(watcher.frames.length - before).toBeLessThanOrEqual(2);
    await control(simulator, 'DELETE', `/sim/faults/${id}`);
    await control(simulator, 'PATCH', `/sim/rooms/${ROOM}`, { rate: 0 });
    const written = async () => (await ledger()).filter((entry) => entry.connections.includes('c1'));
    await waitFor(async () => (await written()).every((entry) => watcher.msgIds.includes(entry.msgId)), { what: 'all slow messages' });
    expect(watcher.undecodable).toBe(0);
  });

  it('garbage and a truncated gzip come as extra frames; the numbered messages stay whole', async () => {
    const watcher = await watch();
    await fault({ kind: 'garbage', count: 3 });
    await fault({ kind: 'truncated', count: 2 });
    await waitFor(() => watcher.undecodable === 5);
    await control(simulator, 'PATCH', `/sim/rooms/${ROOM}`, { rate: 0 });
    const written = (await ledger()).filter((entry) => entry.connections.includes('c1'));
    await waitFor(() => written.every((entry) => watcher.msgIds.includes(entry.msgId)));
    expect(await log()).toHaveLength(5);
  });

  it('duplicate repeats the newest six messages', async () => {
    await control(simulator, 'PATCH', `/sim/rooms/${ROOM}`, { rate: 0 });
    await control(simulator, 'POST', `/sim/rooms/${ROOM}/burst`, { messages: 20 });
    const watcher = await watch();
    const before = watcher.msgIds.slice(-6);
    await fault({ kind: 'duplicate' });
    await waitFor(() => watcher.frames.length === 2);
    expect(watcher.frames[1]?.msgIds).toEqual(before);
  });

  it('order shuffles inside frames and swaps frames, without losing one', async () => {
    await control(simulator, 'PATCH', `/sim/rooms/${ROOM}`, { rate: 0 });
    await control(simulator, 'POST', `/sim/rooms/${ROOM}/burst`, { messages: 6 });
    const watcher = await watch();
    const start = simulator.room(ROOM)?.ledger.head ?? 0;
    const { id } = await fault({ kind: 'order' });
    await control(simulator, 'POST', `/sim/rooms/${ROOM}/burst`, { messages: 72, perFrame: 8 });
    await control(simulator, 'DELETE', `/sim/faults/${id}`);
    const sent = (await ledger()).filter((entry) => entry.n > start).map((entry) => entry.msgId);
    await waitFor(() => sent.every((msgId) => watcher.msgIds.includes(msgId)));
    const got = watcher.msgIds.filter((msgId) => sent.includes(msgId));
    expect(got).not.toEqual(sent);
    const byWire = (await ledger()).filter((entry) => sent.includes(entry.msgId)).sort((a, b) => a.wire - b.wire);
    expect(got).toEqual(byWire.map((entry) => entry.msgId));
    expect(got.slice(0, 8).some((msgId) => sent.slice(8, 16).includes(msgId))).toBe(true);
  });

  it('huge sends one numbered frame of the size asked for, plain or as a bomb', async () => {
    const watcher = await watch();
    await fault({ kind: 'huge', bytes: 12_000_000 });
    await waitFor(() => watcher.frames.some((frame) => frame.bytes > 12_000_000));
    await fault({ kind: 'huge', bytes: 12_000_000, compressed: true });
    await waitFor(() => watcher.frames.filter((frame) => frame.methods.includes('WebcastHugeMessage')).length === 2);
    expect((await ledger()).filter((entry) => entry.method === 'WebcastHugeMessage')).toHaveLength(2);
  });

  it('offlineWithoutEnd ends the broadcast and leaves the socket open without a word', async () => {
    const watcher = await watch();
    await control(simulator, 'PATCH', `/sim/rooms/${ROOM}`, { rate: 0 });
    const head = simulator.room(ROOM)?.ledger.head;
    await fault({ kind: 'offlineWithoutEnd' });
    expect(await (await viewer.get(`/api-live/user/room/?uniqueId=${ROOM}&sourceType=54`)).json()).toMatchObject({
      data: { user: { roomId }, liveRoom: { status: 4 } },
    });
    expect(watcher.closed).toBe(false);
    expect(simulator.room(ROOM)?.ledger.head).toBe(head);
  });

  it.each([
    ['http403', 403],
    ['http429', 429],
    ['http500', 500],
    ['empty200', 200],
  ])('%s answers the routes it is aimed at, as often as asked', async (kind, status) => {
    await control(simulator, 'POST', '/sim/faults', { kind, path: '/api-live/', count: 2 });
    const ask = async () => {
      const response = await viewer.get(`/api-live/user/room/?uniqueId=${ROOM}&sourceType=54`);
      return {
        status: response.status,
        length: (await response.arrayBuffer()).byteLength,
        retryAfter: response.headers.get('retry-after'),
      };
    };
    for (let i = 0; i < 2; i++) {
      const answer = await ask();
      expect(answer.status).toBe(status);
      if (kind === 'empty200') expect(answer.length).toBe(0);
      if (kind === 'http429') expect(answer.retryAfter).toBe('30');
    }
    expect(await ask()).toMatchObject({ status: 200, retryAfter: null });
    expect((await viewer.get(`/@${ROOM}/live`)).status).toBe(200);
    expect((await log()).filter((entry) => entry.kind === kind && entry.uniqueId === ROOM)).toHaveLength(2);
  });

  it('hang accepts a request and an upgrade, and never answers', async () => {
    await control(simulator, 'POST', '/sim/faults', { kind: 'hang', durationMs: 60_000 });
    const { port } = new URL(simulator.url);
    let bytes = 0;
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('data', (data) => (bytes += data.length));
    socket.write(`GET /@${ROOM}/live HTTP/1.1\r\nHost: x\r\n\r\n`);
    const upgrade = connect(Number(port), '127.0.0.1');
    upgrade.on('data', (data) => (bytes += data.length));
    upgrade.write(
      `GET /webcast/im/push/v2/?room_id=${roomId} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
    );
    await waitFor(async () => (await log()).filter((entry) => entry.path !== undefined).length === 2);
    expect([bytes, socket.destroyed, upgrade.destroyed]).toEqual([0, false, false]);
    socket.destroy();
    upgrade.destroy();
  });

  it('slowHttp trickles an answer that is whole at its end', async () => {
    await control(simulator, 'POST', '/sim/faults', { kind: 'slowHttp', path: '/api-live/', bytesPerSecond: 1_000 });
    const started = performance.now();
    const answer = await (await viewer.get(`/api-live/user/room/?uniqueId=${ROOM}`)).json();
    expect(answer).toMatchObject({ data: { user: { uniqueId: ROOM } } });
    expect(performance.now() - started).toBeGreaterThan(150);
  });

  it('deviceBlocked refuses upgrades with its message and nothing else', async () => {
    await fault({ kind: 'deviceBlocked', durationMs: 60_000 });
    const watcher = await viewer.watch(roomId);
    watchers.push(watcher);
    await waitFor(() => watcher.refused);
    expect(watcher.refused).toBe('200 DEVICE_BLOCKED');
  });

  it('a rate strikes each room again and again until it is removed', async () => {
    await fault({ kind: 'duplicate', ratePerMinute: 1_200 });
    await watch();
    await waitFor(async () => (await log()).length >= 5, { what: 'five strikes' });
    await control(simulator, 'DELETE', '/sim/faults');
    expect(await control(simulator, 'GET', '/sim/faults')).toEqual([]);
  });

  it('a rate with a duration makes episodes', async () => {
    await fault({ kind: 'silence', ratePerMinute: 600, durationMs: 300 });
    await watch();
    await waitFor(async () => (await log()).length >= 3, { what: 'three episodes' });
    for (const entry of await log()) expect((entry.until ?? 0) - entry.at).toBe(300);
  });
});
