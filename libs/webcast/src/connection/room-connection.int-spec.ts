import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type RoomOptions, Simulator, waitFor } from '@tributary/testing';
import { Agent, request } from 'undici';
import type { SocketBundle } from './socket-plan.js';
import type { ConnectionEnd } from './connection-outcome.js';
import { RoomResolver } from '../rooms/room-resolver.js';
import { RoomConnection, type RoomConnectionOptions, CONNECTION_LIMITS } from './room-connection.js';

const USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36';
const never = new AbortController().signal;

describe('resolver and session against a simulated TikTok', () => {
  const simulator = new Simulator({ seed: 'session' });
  const dispatcher = new Agent();
  let resolver: RoomResolver;
  let sessions: RoomConnection[] = [];
  let rooms = 0;

  beforeAll(async () => {
    await simulator.start();
    resolver = new RoomResolver({ webUrl: simulator.url, webcastUrl: simulator.url, userAgent: USER_AGENT, timeoutMs: 2_000, dispatcher });
  });

  afterEach(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    sessions = [];
    for (const { id } of simulator.faults.list()) simulator.faults.remove(id);
  });

  afterAll(async () => {
    await dispatcher.destroy();
    await simulator.stop();
  });

  const openRoom = (options: Partial<RoomOptions> = {}) => simulator.openRoom({ uniqueId: `creator${++rooms}`, rate: 40, ...options });

  /** What a signer does: a signed im/fetch with a session cookie. */
  async function sign(roomId: string): Promise<SocketBundle> {
    const now = Date.now();
    const cookies = `ttwid=${simulator.secrets.issueTtwid(now)}`;
    const url = `${simulator.url}/webcast/im/fetch/?aid=1988&room_id=${roomId}`;
    const { signedUrl } = simulator.secrets.sign(url, USER_AGENT, now);
    const { body } = await request(signedUrl, { headers: { 'user-agent': USER_AGENT, cookie: cookies }, dispatcher });
    return { fetchResult: new Uint8Array(await body.arrayBuffer()), cookies, roomId, userAgent: USER_AGENT, provider: 'simulator' };
  }

  async function make(uniqueId: string, roomId: string, overrides: Partial<RoomConnectionOptions> = {}) {
    const ids: string[] = [];
    const methods: string[] = [];
    const ends: ConnectionEnd[] = [];
    const warnings: string[] = [];
    const session = new RoomConnection({
      bundle: await sign(roomId),
      uniqueId,
      allowedHosts: [new URL(simulator.url).host],
      logger: { warn: (_fields, message) => void warnings.push(message), error: (_fields, message) => void warnings.push(message) },
      onMessages: (messages) => {
        for (const { msgId, method } of messages) {
          ids.push(msgId);
          methods.push(method);
        }
      },
      onClose: (end) => void ends.push(end),
      ...overrides,
    });
    sessions.push(session);
    return { session, ids, methods, ends, warnings };
  }

  async function join(uniqueId: string, overrides: Partial<RoomConnectionOptions> = {}) {
    const found = await resolver.resolve(uniqueId, never);
    if (found.kind !== 'live') throw new Error(`${uniqueId}: ${JSON.stringify(found)}`);
    const made = await make(uniqueId, found.roomId, overrides);
    expect(await made.session.connect(never)).toEqual({ ok: true });
    return { ...made, roomId: found.roomId };
  }

  it('finds out who is live, offline or nobody, and which rooms are on air', async () => {
    const live = openRoom({ title: 'a "title" </script>' });
    const offline = openRoom({ live: false });
    const ended = openRoom();
    const endedRoomId = ended.roomId;
    simulator.goOffline(ended);
    expect(await resolver.resolve(live.uniqueId, never)).toEqual({
      kind: 'live',
      source: 'live page',
      roomId: live.roomId,
      userId: live.userId,
      uniqueId: live.uniqueId,
      title: 'a "title" </script>',
    });
    expect(await resolver.resolve(offline.uniqueId, never)).toMatchObject({ kind: 'offline', userId: offline.userId });
    expect(await resolver.resolve(ended.uniqueId, never)).toMatchObject({ kind: 'offline', roomId: endedRoomId });
    expect(await resolver.resolve('nobody.at.all', never)).toEqual({ kind: 'not-found' });
    expect(await resolver.checkAlive([live.roomId, endedRoomId], never)).toEqual({
      kind: 'ok',
      alive: new Map([
        [live.roomId, true],
        [endedRoomId, false],
      ]),
    });
    expect(await resolver.roomInfo(live.roomId, never)).toMatchObject({
      kind: 'info',
      live: true,
      uniqueId: live.uniqueId,
      userId: live.userId,
    });
    expect(await resolver.roomInfo(endedRoomId, never)).toEqual({ kind: 'finished' });
  });

  it('reports a block, an empty 200 and a hang as what they are', async () => {
    const { uniqueId, roomId } = openRoom();
    simulator.fault({ kind: 'http429', uniqueId, path: '/@', count: 1 });
    expect(await resolver.resolve(uniqueId, never)).toEqual({
      kind: 'blocked',
      status: 429,
      retryAfterMs: 30_000,
      errors: ['live page: blocked with 429'],
    });
    simulator.fault({ kind: 'empty200', uniqueId, path: '/@', count: 1 });
    expect(await resolver.resolve(uniqueId, never)).toMatchObject({
      kind: 'live',
      roomId,
      errors: ['live page: an empty page: TikTok does not trust this session'],
    });
    simulator.fault({ kind: 'hang', uniqueId, count: 2 });
    const hasty = new RoomResolver({ webUrl: simulator.url, webcastUrl: simulator.url, userAgent: USER_AGENT, timeoutMs: 100, dispatcher });
    expect(await hasty.resolve(uniqueId, never)).toMatchObject({ kind: 'failed', errors: [expect.any(String), expect.any(String)] });
  });

  it('delivers every numbered message of 1,000 frames from ten rooms in the order it was sent, and acknowledges it', async () => {
    const joined = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const room = openRoom({ rate: 120 });
        return { room, ...(await join(room.uniqueId)) };
      }),
    );
    await waitFor(() => joined.reduce((sum, { session }) => sum + session.stats.frames, 0) >= 1_000);
    for (const { room } of joined) room.rate = 0;
    for (const { room, session, ids } of joined) {
      const sent = () => [...room.ledger.entries()].filter(({ connections }) => connections.length > 0);
      // The socket repeats the recent messages that came with the bundle: duplicates end further on, by their id.
      await waitFor(() => new Set(ids).size >= sent().length);
      expect([...new Set(ids)]).toEqual(sent().map(({ msgId }) => msgId));
      expect(session.stats).toMatchObject({ badFrames: 0, acksSkipped: 0, entered: true });
      await waitFor(() => sent().every(({ connections, acked }) => acked.length > 0 || !connections.some((id) => id.startsWith('c'))));
    }
  });

  it('connects to gated rooms, whose room info is refused', async () => {
    for (const gate of [{ gated: true }, { loginNeeded: true }]) {
      const room = openRoom(gate);
      expect(await resolver.roomInfo(room.roomId, never)).toMatchObject({ kind: 'gated' });
      const { ids } = await join(room.uniqueId);
      await waitFor(() => ids.length > 10);
    }
  });

  it('survives garbage, truncated frames and a decompression bomb', async () => {
    const room = openRoom();
    const { session, ids, ends, warnings } = await join(room.uniqueId);
    simulator.fault({ kind: 'garbage', uniqueId: room.uniqueId });
    simulator.fault({ kind: 'truncated', uniqueId: room.uniqueId });
    simulator.fault({ kind: 'huge', uniqueId: room.uniqueId, compressed: true });
    await waitFor(() => session.stats.badFrames === 3);
    const before = ids.length;
    await waitFor(() => ids.length > before + 10);
    expect(ends).toEqual([]);
    expect(warnings).toHaveLength(1);
  });

  it('ends on a huge frame and on a drop, and a new session with a new bundle goes on', async () => {
    const room = openRoom();
    const first = await join(room.uniqueId);
    simulator.fault({ kind: 'huge', uniqueId: room.uniqueId });
    await waitFor(() => first.ends.length === 1);
    expect(first.ends[0]).toMatchObject({ reason: 'protocol' });
    const second = await join(room.uniqueId);
    await waitFor(() => second.ids.length > 10);
    simulator.fault({ kind: 'drop', uniqueId: room.uniqueId });
    await waitFor(() => second.ends.length === 1);
    expect(second.ends[0]).toMatchObject({ reason: 'disconnect', code: 1006 });
    const third = await join(room.uniqueId);
    await waitFor(() => third.ids.filter((id) => !second.ids.includes(id)).length > 10);
    expect(third.ends).toEqual([]);
  });

  it('keeps the connection open through the end of the broadcast, so that nothing after it is lost', async () => {
    const room = openRoom();
    const { methods, ends } = await join(room.uniqueId);
    simulator.goOffline(room);
    await waitFor(() => methods.includes('WebcastControlMessage'));
    expect(ends).toEqual([]);
  });

  it('shows silence: frames may come, messages do not', async () => {
    const room = openRoom();
    const { session } = await join(room.uniqueId);
    await waitFor(() => session.stats.frames > 3);
    simulator.fault({ kind: 'silence', uniqueId: room.uniqueId, durationMs: 60_000 });
    await waitFor(() => Date.now() - session.stats.lastMessageAt > 500);
    await session.close('silence');
  });

  it.each([
    ['deviceBlocked', { reason: 'refused', refusal: 'device-blocked' }],
    ['http403', { reason: 'refused', refusal: 'forbidden', status: 403 }],
    ['http429', { reason: 'refused', refusal: 'rate-limited', status: 429 }],
    ['http500', { reason: 'refused', refusal: 'server-error', status: 500 }],
    ['hang', { reason: 'timeout' }],
  ] as const)('maps a refused or hanging handshake (%s)', async (kind, expected) => {
    const room = openRoom();
    const { session, ends, ids } = await make(room.uniqueId, room.roomId, { limits: { ...CONNECTION_LIMITS, connectTimeoutMs: 300 } });
    simulator.fault({ kind, uniqueId: room.uniqueId, path: '/webcast/im/ws_proxy', count: 1 });
    expect(await session.connect(never)).toMatchObject({ ok: false, ...expected });
    expect(ends).toEqual([]);
    expect(ids).toEqual([]);
  });

  it('is refused with a bundle that this TikTok did not issue', async () => {
    const room = openRoom();
    const { session } = await make(room.uniqueId, room.roomId, { bundle: { ...(await sign(room.roomId)), cookies: 'ttwid=invented' } });
    expect(await session.connect(never)).toMatchObject({ ok: false, reason: 'refused', refusal: 'bad-signature', status: 200 });
  });
});
