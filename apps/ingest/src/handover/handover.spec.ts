import { describe, expect, it } from '@jest/globals';
import type { Lease } from '@tributary/creators';
import { CreatorSession } from '../session/creator-session.js';
import { StandbyConnection } from './standby-connection.js';
import { message, ROOM, SessionHarness, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a creator that another worker takes over', () => {
  it('from a dead holder: the gap runs from its last event to the new connection, and comes before any message', async () => {
    const harness = new SessionHarness();
    const first = await harness.liveSession();
    await harness.clock.advance(5_000);
    harness.connection.receive(message('gift'));
    const lastAt = harness.clock.now();
    await first.stop('lost');
    const { handoverState } = harness.log;
    await harness.clock.advance(12_000);
    const second = await harness.liveSession({ fence: '2000', from: 'expired', handoverState, lastAt });
    harness.connection.receive(message());
    const published = harness.log.drafts.filter(({ fence }) => fence === '2000');
    expect(published.map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    expect(published[1]).toMatchObject({
      id: 'cr_1-2000-2',
      data: { reason: 'takeover', from: new Date(lastAt).toISOString(), to: new Date(harness.clock.now()).toISOString() },
    });
    expect(second.state).toBe('live');
  });

  it('at a planned stop: the next holder publishes the gap, skips repeated messages, and goes on counting gifts', async () => {
    const harness = new SessionHarness();
    const first = await harness.liveSession();
    harness.connection.receive(message('gift', 'a'), message('gift', 'b'));
    const lastAt = harness.clock.now();
    await harness.clock.advance(500);
    await first.stop('shutdown');
    expect(harness.log.types().at(-1)).toBe('monitor.disconnected');
    const { handoverState } = harness.log;
    harness.initial = () => [message('gift', 'b'), message('gift', 'c')];
    await harness.clock.advance(1_000);
    await harness.liveSession({ fence: '2000', from: 'released', handoverState, lastAt: harness.clock.now() });
    expect(harness.log.drafts.filter(({ fence }) => fence === '2000').map(({ type }) => type)).toEqual([
      'monitor.connected',
      'monitor.gap',
      'tiktok.live.gift',
    ]);
    expect(harness.log.all('monitor.gap')).toMatchObject([{ reason: 'shutdown', from: new Date(lastAt).toISOString() }]);
    expect(JSON.parse(harness.log.handoverState!)).toMatchObject({ room: '3' });
  });

  it('whose stream ended in between: the next holder publishes the gap and the end', async () => {
    const harness = new SessionHarness();
    const first = await harness.liveSession();
    await first.stop('shutdown');
    harness.found = { kind: 'offline' };
    const second = harness.session({
      fence: '2000',
      from: 'released',
      handoverState: harness.log.handoverState,
      lastAt: harness.clock.now(),
    });
    second.start();
    await harness.clock.advance(10_000);
    expect(harness.log.drafts.filter(({ fence }) => fence === '2000').map(({ type }) => type)).toEqual(['monitor.gap', 'monitor.offline']);
    expect(second.state).toBe('offline');
  });

  it('while it is offline: nothing was missed, and no gap is published', async () => {
    const harness = new SessionHarness();
    const first = await harness.liveSession();
    harness.connection.receive(message('end'));
    harness.found = { kind: 'offline' };
    await harness.clock.advance(10_000, (now) => first.tick(now));
    const before = harness.log.drafts.length;
    await first.stop('shutdown');
    const second = harness.session({
      fence: '2000',
      from: 'released',
      handoverState: harness.log.handoverState,
      lastAt: harness.clock.now(),
    });
    second.start();
    await harness.clock.advance(5 * MINUTE);
    expect(harness.log.drafts).toHaveLength(before);
  });

  it('after a pause: the gap is published when monitoring resumes', async () => {
    const harness = new SessionHarness();
    const first = await harness.liveSession();
    await first.stop('paused');
    expect(first.finalStatus('paused')).toMatchObject({ state: 'paused', since: harness.clock.now() });
    await harness.clock.advance(HOUR);
    await harness.liveSession({
      fence: '2000',
      from: 'released',
      handoverState: harness.log.handoverState,
      lastAt: harness.clock.now() - HOUR,
    });
    expect(harness.log.all('monitor.gap')).toMatchObject([{ reason: 'paused' }]);
  });

  it('after its lease was lost: the old session publishes nothing more, whatever still arrives', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.connection.receive(message());
    const before = harness.log.drafts.length;
    const { connection } = harness;
    const stopped = session.stop('lost');
    try {
      connection.receive(message());
    } catch {
      // closed already
    }
    await stopped;
    session.tick(harness.clock.now());
    await harness.clock.advance(5 * MINUTE);
    expect(harness.log.drafts).toHaveLength(before);
    expect(harness.connections).toHaveLength(1);
  });
});

describe('a creator handed over to a standby connection', () => {
  /** A session of the first worker and a standby connection of the second, both open. */
  async function both() {
    const harness = new SessionHarness();
    const first = await harness.liveSession();
    const mine = harness.connection;
    const pool = { bytes: 0 };
    const offer = { creatorId: 'cr_1', fence: '1000', roomId: ROOM, urgent: true, offerTtlMs: 8_000 };
    const standby = new StandbyConnection({ services: harness.services, record: harness.record, offer, run: 'b', pool });
    const opening = standby.open(new AbortController().signal);
    await harness.clock.advance(2_000);
    expect(await opening).toBeUndefined();
    const theirs = harness.connection;
    /** Sends messages on every open connection to the room. */
    const send = (...messages: ReturnType<typeof message>[]) => {
      for (const connection of [mine, theirs]) if (connection.isOpen) connection.receive(...messages);
    };
    const takeOver = async (lease: Partial<Lease> = {}) => {
      const whole: Lease = {
        creatorId: 'cr_1',
        fence: '2000',
        from: 'own',
        handoverState: harness.log.handoverState,
        lastAt: harness.clock.now(),
        ...lease,
      };
      const second = new CreatorSession({ record: harness.record, lease: whole, standby }, harness.services);
      second.start();
      await settle();
      return second;
    };
    const publishedUnder = (fence: string) => harness.log.drafts.filter((draft) => draft.fence === fence);
    return { harness, first, standby, pool, mine, theirs, send, takeOver, publishedUnder };
  }

  it('loses nothing, publishes nothing twice and no gap, goes on counting gifts, and costs no poll or sign call', async () => {
    const { harness, first, standby, pool, theirs, send, takeOver, publishedUnder } = await both();
    send(message('gift', 'x1'), message('gift', 'x2'));
    await first.handOver('shutdown', { token: standby.token, messages: 2 });
    send(message('gift', 'x3'));
    expect(harness.log.types().at(-1)).toBe('monitor.disconnected');
    expect(harness.log.all('monitor.disconnected')[0]).toMatchObject({ reason: 'shutdown', events: 2 });
    const { polls, signCalls } = harness;
    const second = await takeOver();
    theirs.receive(message('chat', 'x4'));
    expect(publishedUnder('2000').map(({ type, id }) => (type.startsWith('monitor') ? type : id))).toEqual([
      'monitor.connected',
      `${ROOM}-x3`,
      `${ROOM}-x4`,
    ]);
    expect(second.state).toBe('live');
    expect(JSON.parse(harness.log.handoverState!)).toMatchObject({ room: '3' });
    expect(harness.gaps).toEqual([]);
    expect({ polls: harness.polls, signCalls: harness.signCalls, bytes: pool.bytes }).toEqual({ polls, signCalls, bytes: 0 });
  });

  it('whose old holder lost its connection: the gap ends where the standby connection began', async () => {
    const { harness, first, mine, send, takeOver, publishedUnder } = await both();
    send(message('chat', 'y1'));
    mine.drop();
    await first.stop('shutdown');
    send(message('chat', 'y2'));
    await harness.clock.advance(5_000);
    await takeOver({ from: 'released' });
    expect(publishedUnder('2000').map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    const [gap] = harness.log.all('monitor.gap');
    expect(Date.parse(gap!.to)).toBe(Date.parse(gap!.from));
  });

  it('that was left to another standby connection: a gap is published, because that one alone has everything', async () => {
    const { harness, first, send, takeOver, publishedUnder } = await both();
    await first.handOver('moved', { token: 'c/1000', messages: 0 });
    send(message('chat', 'z1'));
    await takeOver();
    expect(publishedUnder('2000').map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    expect(harness.gaps).toEqual(['takeover']);
  });

  it('whose standby connection dropped its oldest messages: a gap is published, unless the kept ones reach back to the old holder', async () => {
    for (const isCovered of [true, false]) {
      const { harness, first, mine, theirs, standby, takeOver } = await both();
      const large = (msgId: string) => ({ ...message('chat', msgId), payload: new Uint8Array(600_000) });
      theirs.receive(large('l1'));
      theirs.receive(large('l2'));
      if (isCovered) mine.receive(message('chat', 'l1'), message('chat', 'l2'));
      await first.handOver('moved', { token: standby.token, messages: 2 });
      await takeOver();
      expect(harness.gaps).toEqual(isCovered ? [] : ['takeover']);
    }
  });

  it('whose standby connection ended before the lease came: its messages are published, and the room is connected again', async () => {
    const { harness, first, standby, theirs, send, takeOver, publishedUnder } = await both();
    await first.handOver('moved', { token: standby.token, messages: 0 });
    send(message('chat', 'w1'));
    theirs.drop();
    const second = await takeOver();
    await harness.clock.advance(10_000);
    expect(publishedUnder('2000').map(({ type }) => type)).toEqual([
      'monitor.connected',
      'tiktok.live.chat',
      'monitor.disconnected',
      'monitor.connected',
      'monitor.gap',
    ]);
    expect(second.state).toBe('live');
  });

  it('after Redis lost the handover state: the room is still known, and a gap covers what may be missing', async () => {
    const { harness, first, standby, send, takeOver, publishedUnder } = await both();
    await first.handOver('moved', { token: standby.token, messages: 0 });
    send(message('chat', 'v1'));
    await takeOver({ from: 'new', handoverState: undefined, lastAt: undefined });
    expect(publishedUnder('2000').map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    expect(harness.gaps).toEqual(['takeover']);
  });

  it('whose end the old holder has published already: the new one knows of it too, and confirms it', async () => {
    const { harness, first, send, takeOver, publishedUnder } = await both();
    send(message('end', 'u1'));
    await first.stop('shutdown');
    harness.found = { kind: 'offline' };
    const second = await takeOver({ from: 'released' });
    await harness.clock.advance(20_000, (now) => second.tick(now));
    expect(publishedUnder('2000').map(({ type }) => type)).toContain('monitor.offline');
    expect(harness.log.types().filter((type) => type === 'tiktok.live.end')).toHaveLength(1);
    expect(second.state).toBe('offline');
  });

  it('whose room ended meanwhile: the standby connection is discarded', async () => {
    const { harness, first, mine, theirs, takeOver } = await both();
    mine.receive(message('end'));
    harness.found = { kind: 'offline' };
    await harness.clock.advance(20_000, (now) => first.tick(now));
    await first.stop('shutdown');
    const second = await takeOver({ from: 'released' });
    expect(theirs.isOpen).toBe(false);
    expect(second.state).toBe('offline');
  });
});
