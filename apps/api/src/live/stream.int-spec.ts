import { connect } from 'node:net';
import { afterEach, beforeAll, afterAll, describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from '@tributary/log';
import { waitFor } from '@tributary/testing';
import { ApiUnderTest, draft, type LiveReader } from '../testing/api-under-test.js';

describe('live stream', () => {
  let api: ApiUnderTest;
  let generation: number;
  const open: LiveReader[] = [];
  beforeAll(async () => {
    api = await ApiUnderTest.start({
      config: { streamsPerKeyMax: 4 },
      limits: { heartbeatMs: 150, drainMsMax: 600 },
    });
    generation = Number((await api.pool.query<{ generation: string }>('select generation from log_head')).rows[0]!.generation);
  });
  afterAll(() => api.stop());
  afterEach(async () => {
    for (const reader of open.splice(0)) reader.close();
    await waitFor(async () => (await streams()) === 0, { what: 'every stream to be forgotten' });
  });

  const streams = async () => (await api.call<{ live: { streams: number } }>('GET', '/v1/status')).body.live.streams;
  const subscribe = async (...args: Parameters<ApiUnderTest['stream']>) => {
    const reader = await api.stream(...args);
    open.push(reader);
    return reader;
  };
  const drafts = (count: number, roomId: string) => Array.from({ length: count }, () => draft({ roomId }));

  it('says hello with its position, then gives each event with its cursor, type and envelope', async () => {
    const before = await api.commit(drafts(1, '1'));
    const reader = await subscribe('?room=1');
    expect(reader.response.headers.get('content-type')).toContain('text/event-stream');
    const position = encodeCursor({ generation, seq: before });
    expect(await reader.next()).toEqual({
      id: position,
      event: 'hello',
      data: { position, from: 'head', recovered: true, head: position },
    });
    const [event] = drafts(1, '1');
    await api.commit([event!]);
    const frame = (await reader.next())!;
    expect(frame).toMatchObject({ event: 'tiktok.live.chat', id: encodeCursor({ generation, seq: before + 1 }), data: { id: event!.id } });
    expect(frame.data.position).toBe(frame.id);
  });

  it('goes on from a REST page with nothing lost and nothing twice, while events are stored', async () => {
    await api.commit(drafts(50, '2'));
    const writing = (async () => {
      for (let i = 0; i < 30; i++) await api.commit(drafts(10, '2'));
    })();
    const page = (await api.call<{ data: { id: string }[]; next: string }>('GET', '/v1/events?room=2&limit=40')).body;
    const reader = await subscribe(`?room=2&cursor=${page.next}`);
    const live = await reader.events(350 - 40);
    await writing;
    const { rows } = await api.pool.query<{ id: string }>(`select id from events where room_id = '2' order by seq`);
    expect([...page.data, ...live].map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
  });

  it('resumes after Last-Event-ID, which wins over the cursor', async () => {
    await api.commit(drafts(20, '3'));
    const all = (await api.call<{ data: { id: string; position: string }[] }>('GET', '/v1/events?room=3')).body.data;
    const reader = await subscribe(`?room=3&cursor=${all[2]!.position}`, { headers: { 'last-event-id': all[9]!.position } });
    expect((await reader.events(10)).map(({ id }) => id)).toEqual(all.slice(10).map(({ id }) => id));
  });

  it('says recovered: false when a cursor cannot be honoured, and goes on from the head', async () => {
    const head = await api.commit(drafts(1, '4'));
    for (const [cursor, reason] of [
      [encodeCursor({ generation: generation + 1, seq: 1 }), 'restored'],
      [encodeCursor({ generation, seq: head + 1_000 }), 'restored'],
    ]) {
      const reader = await subscribe(`?room=4&cursor=${cursor}`);
      const position = encodeCursor({ generation, seq: head });
      expect(await reader.next()).toMatchObject({ event: 'hello', data: { recovered: false, reason, position, head: position } });
    }
    await api.pool.query('update log_head set oldest_seq = seq');
    const reader = await subscribe('?room=4', { headers: { 'last-event-id': encodeCursor({ generation, seq: head - 2 }) } });
    expect(await reader.next()).toMatchObject({ data: { recovered: false, reason: 'expired' } });
    await api.pool.query('update log_head set oldest_seq = 1');
  });

  it('refuses what is no cursor, naming where it was given', async () => {
    const bad = await api.call('GET', '/v1/stream', { headers: { 'last-event-id': 'nonsense' } });
    expect(bad).toMatchObject({ status: 400, body: { errors: [{ field: 'Last-Event-ID' }] } });
    expect(await api.call('GET', '/v1/stream?cursor=nonsense')).toMatchObject({ status: 400, body: { errors: [{ field: 'cursor' }] } });
    expect(await api.call('GET', '/v1/stream?limit=5')).toMatchObject({ status: 400, body: { errors: [{ field: 'limit' }] } });
  });

  it('moves the position of a reader whose filter lets nothing through', async () => {
    const reader = await subscribe('?room=none');
    await reader.next();
    const head = await api.commit(drafts(30, '5'));
    await waitFor(async () => {
      const frame = await reader.next();
      return frame?.event === 'position' && decodeCursor(frame.id!)!.seq >= head;
    });
    const last = decodeCursor(reader.frames.at(-1)!.id!)!;
    expect(last.seq).toBeGreaterThanOrEqual(head);
  });

  it('cuts off a reader that takes nothing, and no other', async () => {
    const healthy = await subscribe('?room=6');
    await healthy.next();
    const { hostname, port } = new URL(api.url);
    const slow = connect(Number(port), hostname);
    slow.pause();
    slow.write(`GET /v1/stream?room=6 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${api.adminKey}\r\n\r\n`);
    await waitFor(async () => (await streams()) === 2);
    const taken = healthy.events(2_000).then((events) => events.length);
    const comment = 'x'.repeat(9_000);
    for (let i = 0; i < 20; i++) {
      await api.commit(Array.from({ length: 100 }, () => draft({ roomId: '6', data: { comment } })));
    }
    expect(await taken).toBe(2_000);
    await waitFor(async () => (await streams()) === 1, { what: 'the slow reader to be cut off' });
    const metrics = (await api.call<string>('GET', '/metrics')).body;
    expect(metrics).toMatch(/tributary_streams_ended_total\{reason="slow"[^}]*\} 1/);
    slow.destroy();
  });

  it('bounds the streams of one key, and of no other', async () => {
    const key = await api.key('read');
    for (let i = 0; i < 4; i++) await (await subscribe('', { key })).next();
    const fifth = await api.call('GET', '/v1/stream', { key });
    expect(fifth.status).toBe(429);
    expect(fifth.headers.get('retry-after')).toBe('10');
    expect((await (await subscribe('')).next())?.event).toBe('hello');
  });

  it('ends the streams of a revoked key', async () => {
    const made = (await api.call<{ id: string; key: string }>('POST', '/v1/keys', { body: { name: 'gone', scopes: ['read'] } })).body;
    const reader = await subscribe('?room=7', { key: made.key });
    await reader.next();
    await api.call('DELETE', `/v1/keys/${made.id}`);
    const ended = await waitFor(async () => {
      const frame = await reader.next();
      return frame === undefined || frame.event === 'closed' ? (frame ?? { event: 'end', data: {} }) : undefined;
    });
    expect(ended).toMatchObject({ event: 'closed', data: { reason: 'revoked' } });
    expect(await reader.next()).toBeUndefined();
  });

  it('forgets a reader that leaves', async () => {
    const reader = await subscribe('');
    await reader.next();
    expect(await streams()).toBe(1);
    reader.close();
    await waitFor(async () => (await streams()) === 0);
  });
});

describe('live stream at shutdown', () => {
  it('tells its readers that the process stops, and ends at once', async () => {
    const api = await ApiUnderTest.start();
    const reader = await api.stream();
    await reader.next();
    const start = performance.now();
    const stopped = api.stop();
    expect(await reader.next()).toMatchObject({ event: 'closed', data: { reason: 'shutdown' } });
    expect(await reader.next()).toBeUndefined();
    await stopped;
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
