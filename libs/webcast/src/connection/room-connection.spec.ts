import { randomBytes, randomInt } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { HeartBeatMessage, WebcastImEnterRoomMessage } from 'tiktok-live-proto/v3';
import type { ConnectionEnd } from './connection-outcome.js';
import { CONNECTION_LIMITS } from './room-connection.js';
import { frame, message, messages, never, PushServer, result, ROOM, USER_AGENT } from '../testing/push-server.js';

describe('what a session reads', () => {
  let server: PushServer;

  beforeEach(async () => {
    server = await new PushServer().start();
  });

  afterEach(() => server.stop());

  it('delivers 1,000 gzip frames of random sizes in the order they were sent', async () => {
    const { seen, peer, session } = await server.open();
    for (let n = 1; n <= 1_000; n++) {
      const filler = message(n, randomBytes(n % 7 === 0 ? randomInt(100_000) : randomInt(2_000)));
      peer.socket.send(frame(gzipSync(result({ messages: [filler] }))));
    }
    await waitFor(() => seen.length === 1_000);
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, n) => String(n + 1)));
    expect(session.stats).toMatchObject({ frames: 1_000, messages: 1_000, badFrames: 0 });
  });

  it('says it is open, then delivers what came with the bundle, then frames', async () => {
    const order: string[] = [];
    const { peer } = await server.open(
      { onOpen: () => void order.push('open'), onMessages: (batch) => void order.push(...batch.map(({ msgId }) => msgId)) },
      { messages: messages(1, 2) },
    );
    peer.socket.send(frame(result({ messages: messages(3) })));
    await waitFor(() => order.length === 4);
    expect(order).toEqual(['open', '1', '2', '3']);
  });

  it('opens the socket as the library does: address, cookies, user agent, room entry, heartbeats', async () => {
    const { peer, session } = await server.open({ limits: { ...CONNECTION_LIMITS, heartbeatMs: 20 } }, { routeParams: { imprp: 'r' } });
    const query = new URL(peer.request.url ?? '', server.url).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({ room_id: ROOM, cursor: 'c1', internal_ext: 'ext', compress: 'gzip', imprp: 'r' });
    expect(peer.request.url).not.toContain('UNRESOLVED');
    expect(query.get('browser_version')).toBe(USER_AGENT.slice('Mozilla/'.length));
    expect(query.getAll('version_code')).toEqual(['180800', '270000']);
    expect(peer.request.headers).toMatchObject({ 'user-agent': USER_AGENT, cookie: 'ttwid=abc; tt-target-idc=x' });
    expect(peer.request.headers['sec-websocket-extensions']).toBeUndefined();
    await waitFor(() => peer.received.filter(({ payloadType }) => payloadType === 'hb').length >= 2);
    const [entry, ...beats] = peer.received;
    expect(entry?.payloadType).toBe('im_enter_room');
    expect(WebcastImEnterRoomMessage.decode(entry!.payload)).toMatchObject({ roomId: ROOM, identity: 'audience' });
    expect(beats.slice(0, 2).map(({ payload }) => HeartBeatMessage.decode(payload))).toEqual([
      { roomId: ROOM, sendPacketSeqId: '1' },
      { roomId: ROOM, sendPacketSeqId: '2' },
    ]);
    peer.socket.send(frame(Buffer.from([8, 1]), { payloadType: 'im_enter_room_resp' }));
    await waitFor(() => session.stats.entered);
  });

  it('acknowledges what wants it with the same log id, and says nothing on the console where it cannot', async () => {
    const printed = jest.spyOn(console, 'error').mockImplementation(() => undefined);
    const { peer, session, seen } = await server.open();
    peer.socket.send(frame(result({ messages: messages(1), needAck: true, internalExt: 'ext-1' }), { logId: '4711' }));
    peer.socket.send(frame(result({ messages: messages(2), needAck: true }), { logId: '4712' }));
    peer.socket.send(frame(result({ messages: messages(3) }), { logId: '4713' }));
    await waitFor(() => seen.length === 3 && peer.received.length >= 2);
    const acks = peer.received.filter(({ payloadType }) => payloadType === 'ack');
    expect(acks.map(({ logId, payload }) => [logId, payload.toString()])).toEqual([['4711', 'ext-1']]);
    expect(session.stats).toMatchObject({ acks: 1, acksSkipped: 1 });
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  it('counts garbage, truncated and text frames, warns once, and goes on', async () => {
    const { peer, session, seen, logged } = await server.open();
    const good = frame(gzipSync(result({ messages: messages(9) })));
    peer.socket.send(randomBytes(500));
    peer.socket.send(good.subarray(0, good.length - 5));
    peer.socket.send('hello');
    peer.socket.send(Buffer.alloc(0));
    peer.socket.send(frame(Buffer.from([0x1f, 0x8b, 0x08, ...randomBytes(50)])));
    peer.socket.send(good);
    await waitFor(() => seen.length === 1);
    expect(session.stats).toMatchObject({ frames: 6, badFrames: 5, messages: 1 });
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatchObject({ level: 'warn', fields: { uniqueId: 'name', roomId: ROOM, bytes: 500 } });
  });

  it('gives up a connection whose frames cannot be read, and says since when', async () => {
    const ends: ConnectionEnd[] = [];
    const { peer, session, seen } = await server.open({ onClose: (end) => void ends.push(end) });
    peer.socket.send(frame(gzipSync(result({ messages: messages(1) }))));
    await waitFor(() => seen.length === 1);
    const { lastMessageAt } = session.stats;
    for (let n = 0; n < CONNECTION_LIMITS.unreadableFramesMax; n++) {
      expect(ends).toEqual([]);
      peer.socket.send(frame(Buffer.alloc(0), { payloadType: 'hb' }));
      peer.socket.send(frame(Buffer.from([0x1f, 0x8b, 0x08, ...randomBytes(50)])));
      await waitFor(() => session.stats.badFrames === n + 1);
    }
    await waitFor(() => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: 'unreadable', unreadSince: lastMessageAt });
  });

  it('keeps a connection of which a frame here and there cannot be read', async () => {
    const { peer, session, seen } = await server.open();
    for (let n = 0; n < 40; n++) {
      peer.socket.send(frame(randomBytes(200), { payloadEncoding: '' }));
      for (let m = 0; m < 8; m++) peer.socket.send(frame(result({ messages: messages(8 * n + m) })));
    }
    await waitFor(() => seen.length === 320);
    expect(session.stats).toMatchObject({ badFrames: 40, messages: 320 });
  });

  it('reads nothing while paused, and goes on in order', async () => {
    const { peer, session, seen } = await server.open();
    session.pause();
    const bytes = randomBytes(2_000_000);
    let flushed = 0;
    for (let n = 0; n < 8; n++) peer.socket.send(frame(result({ messages: [message(n, bytes)] })), () => (flushed += 1));
    await waitFor(() => peer.socket.bufferedAmount > 0 && flushed < 8);
    expect(seen.length).toBeLessThan(2);
    session.resume();
    await waitFor(() => seen.length === 8);
    expect(seen).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  });

  it('stays paused when it was paused before it opened', async () => {
    const { session, seen } = server.make();
    session.pause();
    await session.connect(never);
    const peer = await waitFor(() => server.peers[0]);
    await new Promise((sent) => peer.socket.send(frame(result({ messages: messages(1) })), sent));
    await waitFor(() => peer.received.length > 0);
    expect(seen).toEqual([]);
    session.resume();
    await waitFor(() => seen.length === 1);
  });

  it('leaves protocol pings alone, as the library does', async () => {
    const { peer, seen } = await server.open();
    const pongs: string[] = [];
    peer.socket.on('pong', () => pongs.push('pong'));
    peer.socket.ping();
    peer.socket.send(frame(result({ messages: messages(1), needAck: true, internalExt: 'e' })));
    await waitFor(() => seen.length === 1 && peer.received.length === 2);
    expect(pongs).toEqual([]);
  });

  it('survives a callback that throws, and logs it once', async () => {
    const { peer, session, logged } = await server.open({
      onMessages: () => {
        throw new Error('bug');
      },
    });
    for (let n = 0; n < 3; n++) peer.socket.send(frame(result({ messages: messages(n) })));
    await waitFor(() => session.stats.messages === 3);
    expect(logged).toMatchObject([{ level: 'error' }]);
  });

  it('tells a dead socket from a quiet room', async () => {
    const { peer, session } = await server.open();
    const { lastMessageAt } = session.stats;
    await waitFor(() => Date.now() > lastMessageAt);
    peer.socket.send(frame(Buffer.alloc(0), { payloadType: 'hb' }));
    await waitFor(() => session.stats.otherFrames === 1);
    expect(session.stats.lastMessageAt).toBe(lastMessageAt);
    expect(session.stats.lastFrameAt).toBeGreaterThan(lastMessageAt);
  });
});
