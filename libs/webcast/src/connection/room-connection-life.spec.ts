import { getEventListeners } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '@tributary/testing';
import { CONNECTION_LIMITS } from './room-connection.js';
import { frame, message, messages, never, PushServer, result } from '../testing/push-server.js';

describe('how a session begins and ends', () => {
  let server: PushServer;

  beforeEach(async () => {
    server = await new PushServer().start();
  });

  afterEach(() => server.stop());

  it('ends with `protocol` on a frame larger than allowed, and reads none of it', async () => {
    const { peer, ends, seen } = await server.open({ limits: { ...CONNECTION_LIMITS, frameBytesMax: 10_000 } });
    peer.socket.send(frame(result({ messages: [message(1, Buffer.alloc(20_000))] })));
    await waitFor(() => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: 'protocol', code: 1006 });
    expect(seen).toEqual([]);
  });

  it.each([
    ['HTTP/1.1 200 OK\r\nHandshake-Msg: DEVICE_BLOCKED\r\n\r\n', { refusal: 'device-blocked', status: 200 }],
    ['HTTP/1.1 200 OK\r\nHandshake-Msg: illegal secret key\r\n\r\n', { refusal: 'bad-signature', status: 200 }],
    ['HTTP/1.1 429 Too Many\r\nRetry-After: 30\r\n\r\n', { refusal: 'rate-limited', status: 429, retryAfterMs: 30_000 }],
    ['HTTP/1.1 403 Forbidden\r\n\r\n', { refusal: 'forbidden', status: 403 }],
    ['HTTP/1.1 502 Bad Gateway\r\n\r\n', { refusal: 'server-error', status: 502 }],
    ['HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n', { refusal: 'other', status: 302 }],
  ])('names the reason of a refused upgrade: %j', async (head, expected) => {
    server.answerWith(head);
    const { session, ends } = server.make();
    expect(await session.connect(never)).toMatchObject({ ok: false, reason: 'refused', ...expected });
    await session.close();
    expect(ends).toEqual([]);
    await waitFor(async () => (await server.connections()) === 0);
  });

  it('gives up on a server that answers nothing, or in drops, when its time is over', async () => {
    server.answerWith('HTTP/1.1 101 Switching Protocols\r\nX-Drip: ', 'X');
    const { session } = server.make({ limits: { ...CONNECTION_LIMITS, connectTimeoutMs: 100 } });
    expect(await session.connect(never)).toMatchObject({ ok: false, reason: 'timeout' });
    await waitFor(async () => (await server.connections()) === 0);
  });

  it('ends the attempt when it is aborted or closed', async () => {
    server.answerWith('');
    const controller = new AbortController();
    const first = server.make().session;
    const connecting = first.connect(controller.signal);
    controller.abort();
    expect(await connecting).toMatchObject({ ok: false, reason: 'aborted' });
    const second = server.make().session;
    const other = second.connect(never);
    await second.close();
    expect(await other).toMatchObject({ ok: false, reason: 'aborted' });
    expect(await server.make().session.connect(AbortSignal.abort())).toMatchObject({ ok: false, reason: 'aborted' });
    const closed = server.make().session;
    await closed.close();
    expect(await closed.connect(never)).toMatchObject({ ok: false, reason: 'aborted' });
    await waitFor(async () => (await server.connections()) === 0);
  });

  it('tells an unreachable server from one that speaks no WebSocket', async () => {
    const tcp = createTcpServer((socket: Socket) => void socket.resume().end('SSH-2.0-OpenSSH_9.6\r\n'));
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(tcp.address() as AddressInfo).port}`;
    const attempt = () => server.make({ allowedHosts: [address] }, { pushServer: `ws://${address}/` }).session.connect(never);
    expect(await attempt()).toMatchObject({ ok: false, reason: 'protocol' });
    await new Promise((resolve) => tcp.close(resolve));
    expect(await attempt()).toMatchObject({ ok: false, reason: 'unreachable' });
  });

  it('does not connect to a host that is neither TikTok nor allowed', async () => {
    const { session } = server.make({ allowedHosts: [] });
    expect(await session.connect(never)).toMatchObject({ ok: false, reason: 'forbidden-host' });
    expect(server.peers).toHaveLength(0);
  });

  it.each([
    [1000, 'disconnect'],
    [1011, 'disconnect'],
    [4005, 'disconnect'],
    [1008, 'refused'],
  ])('maps close code %d to `%s`, with what the server said', async (code, reason) => {
    const { peer, ends } = await server.open();
    peer.socket.close(code, 'because');
    await waitFor(() => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason, code, message: expect.stringContaining('because') });
  });

  it('says `disconnect` when the network drops it, after delivering what had arrived', async () => {
    const { peer, ends, seen } = await server.open();
    peer.socket.send(frame(result({ messages: messages(1) })), () => peer.socket.terminate());
    await waitFor(() => ends.length === 1);
    expect(seen).toEqual(['1']);
    expect(ends[0]).toMatchObject({ reason: 'disconnect', code: 1006 });
    expect(ends[0]!.durationMs).toBeGreaterThanOrEqual(0);
  });

  it('ends although the server never answers the close, delivering nothing from that moment', async () => {
    const { peer, session, ends, seen } = await server.open({ limits: { ...CONNECTION_LIMITS, closeTimeoutMs: 100 } });
    peer.request.socket.pause();
    session.pause();
    peer.socket.send(frame(result({ messages: messages(1) })));
    await session.close();
    expect(ends).toMatchObject([{ reason: 'closed-by-us' }]);
    await session.close();
    expect(seen).toEqual([]);
    expect(ends).toHaveLength(1);
  });

  it('destroys a silent socket at once', async () => {
    const { peer, session, ends } = await server.open({ limits: { ...CONNECTION_LIMITS, closeTimeoutMs: 20_000 } });
    peer.request.socket.pause();
    const startedAt = performance.now();
    await session.close('silence');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(ends).toMatchObject([{ reason: 'silence' }]);
  });

  it('ends with `protocol` when the server sends but never reads', async () => {
    const { peer, ends } = await server.open({ limits: { ...CONNECTION_LIMITS, unsentBytesMax: 100_000 } });
    peer.request.socket.pause();
    const wanting = frame(result({ needAck: true, internalExt: 'x'.repeat(50_000) }));
    for (let n = 0; n < 400 && ends.length === 0; n++) await new Promise((sent) => peer.socket.send(wanting, sent));
    await waitFor(() => ends.length === 1);
    expect(ends[0]).toMatchObject({ reason: 'protocol', message: expect.stringContaining('no longer reads') });
  });

  it('leaves no timer and no listener behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const controller = new AbortController();
    const made = server.make();
    const connecting = made.session.connect(controller.signal);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    await connecting;
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    await made.session.close();
    await waitFor(async () => (await server.connections()) === 0);
    await waitFor(() => timers() <= before);
  });

  it('connects once', async () => {
    const { session } = await server.open();
    await expect(session.connect(never)).rejects.toThrow('connects once');
  });
});
