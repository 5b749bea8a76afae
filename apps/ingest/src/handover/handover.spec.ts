import { describe, expect, it } from '@jest/globals';
import type { Lease } from '@tributary/creators';
import { CreatorSession } from '../session/creator-session.js';
import { Standby } from './standby-connection.js';
import { message, ROOM, Scene, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a creator that changes hands', () => {
  it('from a holder that died: the gap runs from its last event to the own connect, before any message', async () => {
    const scene = new Scene();
    const first = await scene.liveSession();
    await scene.clock.advance(5_000);
    scene.link.receive(message('gift'));
    const lastAt = scene.clock.now();
    await first.stop('lost');
    const { carry } = scene.log;
    await scene.clock.advance(12_000);
    const second = await scene.liveSession({ fence: '2000', from: 'expired', carry, lastAt });
    scene.link.receive(message());
    const said = scene.log.drafts.filter(({ fence }) => fence === '2000');
    expect(said.map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    expect(said[1]).toMatchObject({
      id: 'cr_1-2000-2',
      data: { reason: 'takeover', from: new Date(lastAt).toISOString(), to: new Date(scene.clock.now()).toISOString() },
    });
    expect(second.state).toBe('live');
  });

  it('at a planned stop: the next holder tells the gap of the shutdown, knows the last messages, and counts gifts on', async () => {
    const scene = new Scene();
    const first = await scene.liveSession();
    scene.link.receive(message('gift', 'a'), message('gift', 'b'));
    const lastAt = scene.clock.now();
    await scene.clock.advance(500);
    await first.stop('shutdown');
    expect(scene.log.types().at(-1)).toBe('monitor.disconnected');
    const { carry } = scene.log;
    scene.initial = () => [message('gift', 'b'), message('gift', 'c')];
    await scene.clock.advance(1_000);
    await scene.liveSession({ fence: '2000', from: 'released', carry, lastAt: scene.clock.now() });
    expect(scene.log.drafts.filter(({ fence }) => fence === '2000').map(({ type }) => type)).toEqual([
      'monitor.connected',
      'monitor.gap',
      'tiktok.live.gift',
    ]);
    expect(scene.log.all('monitor.gap')).toMatchObject([{ reason: 'shutdown', from: new Date(lastAt).toISOString() }]);
    expect(JSON.parse(scene.log.carry!)).toMatchObject({ room: '3' });
  });

  it('whose stream ended in between: gap and end are told by the next holder', async () => {
    const scene = new Scene();
    const first = await scene.liveSession();
    await first.stop('shutdown');
    scene.found = { kind: 'offline' };
    const second = scene.session({ fence: '2000', from: 'released', carry: scene.log.carry, lastAt: scene.clock.now() });
    second.start();
    await scene.clock.advance(10_000);
    expect(scene.log.drafts.filter(({ fence }) => fence === '2000').map(({ type }) => type)).toEqual(['monitor.gap', 'monitor.offline']);
    expect(second.state).toBe('offline');
  });

  it('while it is offline: nothing was missed, and no gap is told', async () => {
    const scene = new Scene();
    const first = await scene.liveSession();
    scene.link.receive(message('end'));
    scene.found = { kind: 'offline' };
    await scene.clock.advance(10_000, (now) => first.tick(now));
    const before = scene.log.drafts.length;
    await first.stop('shutdown');
    const second = scene.session({ fence: '2000', from: 'released', carry: scene.log.carry, lastAt: scene.clock.now() });
    second.start();
    await scene.clock.advance(5 * MINUTE);
    expect(scene.log.drafts).toHaveLength(before);
  });

  it('by a pause: the gap of the pause is told when it is resumed', async () => {
    const scene = new Scene();
    const first = await scene.liveSession();
    await first.stop('paused');
    expect(first.finalStatus('paused')).toMatchObject({ state: 'offline' });
    await scene.clock.advance(HOUR);
    await scene.liveSession({ fence: '2000', from: 'released', carry: scene.log.carry, lastAt: scene.clock.now() - HOUR });
    expect(scene.log.all('monitor.gap')).toMatchObject([{ reason: 'paused' }]);
  });

  it('against its will: a session that lost its lease says nothing more, whatever still arrives', async () => {
    const scene = new Scene();
    const session = await scene.liveSession();
    scene.link.receive(message());
    const before = scene.log.drafts.length;
    const { link } = scene;
    const stopped = session.stop('lost');
    try {
      link.receive(message());
    } catch {
      // closed already
    }
    await stopped;
    session.tick(scene.clock.now());
    await scene.clock.advance(5 * MINUTE);
    expect(scene.log.drafts).toHaveLength(before);
    expect(scene.links).toHaveLength(1);
  });
});

describe('a creator handed over to a standby', () => {
  /** A session of the first worker and a standby of the second, both connected. */
  async function both() {
    const scene = new Scene();
    const first = await scene.liveSession();
    const mine = scene.link;
    const pool = { bytes: 0 };
    const offer = { creatorId: 'cr_1', fence: '1000', roomId: ROOM, urgent: true, standsMs: 8_000 };
    const standby = new Standby({ services: scene.services, record: scene.record, offer, run: 'b', pool });
    const opening = standby.open(new AbortController().signal);
    await scene.clock.advance(2_000);
    expect(await opening).toBeUndefined();
    const theirs = scene.link;
    /** The room says something to everybody who is connected. */
    const say = (...messages: ReturnType<typeof message>[]) => {
      for (const link of [mine, theirs]) if (link.isOpen) link.receive(...messages);
    };
    const takeOver = async (lease: Partial<Lease> = {}) => {
      const whole: Lease = { creatorId: 'cr_1', fence: '2000', from: 'own', carry: scene.log.carry, lastAt: scene.clock.now(), ...lease };
      const second = new CreatorSession({ services: scene.services, record: scene.record, lease: whole, standby });
      second.start();
      await settle();
      return second;
    };
    const saidUnder = (fence: string) => scene.log.drafts.filter((draft) => draft.fence === fence);
    return { scene, first, standby, pool, mine, theirs, say, takeOver, saidUnder };
  }

  it('misses nothing, says nothing twice and tells no gap; gifts count on, and no poll or sign call is made', async () => {
    const { scene, first, standby, pool, theirs, say, takeOver, saidUnder } = await both();
    say(message('gift', 'x1'), message('gift', 'x2'));
    await first.handOver('shutdown', { token: standby.token, messages: 2 });
    say(message('gift', 'x3'));
    expect(scene.log.types().at(-1)).toBe('monitor.disconnected');
    expect(scene.log.all('monitor.disconnected')[0]).toMatchObject({ reason: 'shutdown', events: 2 });
    const { polls, signCalls } = scene;
    const second = await takeOver();
    theirs.receive(message('chat', 'x4'));
    expect(saidUnder('2000').map(({ type, id }) => (type.startsWith('monitor') ? type : id))).toEqual([
      'monitor.connected',
      `${ROOM}-x3`,
      `${ROOM}-x4`,
    ]);
    expect(second.state).toBe('live');
    expect(JSON.parse(scene.log.carry!)).toMatchObject({ room: '3' });
    expect(scene.gaps).toEqual([]);
    expect({ polls: scene.polls, signCalls: scene.signCalls, bytes: pool.bytes }).toEqual({ polls, signCalls, bytes: 0 });
  });

  it('whose old holder dropped out by itself: the gap ends where the standby began', async () => {
    const { scene, first, mine, say, takeOver, saidUnder } = await both();
    say(message('chat', 'y1'));
    mine.drop();
    await first.stop('shutdown');
    say(message('chat', 'y2'));
    await scene.clock.advance(5_000);
    await takeOver({ from: 'released' });
    expect(saidUnder('2000').map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    const [gap] = scene.log.all('monitor.gap');
    expect(Date.parse(gap!.to)).toBe(Date.parse(gap!.from));
  });

  it('meant for another standby tells its gap: only the one that was there knows that nothing is missing', async () => {
    const { scene, first, say, takeOver, saidUnder } = await both();
    await first.handOver('moved', { token: 'c/1000', messages: 0 });
    say(message('chat', 'z1'));
    await takeOver();
    expect(saidUnder('2000').map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    expect(scene.gaps).toEqual(['takeover']);
  });

  it('that had to let go of its oldest messages tells a gap, unless what it kept reaches back to the old holder', async () => {
    for (const isCovered of [true, false]) {
      const { scene, first, mine, theirs, standby, takeOver } = await both();
      const large = (msgId: string) => ({ ...message('chat', msgId), payload: new Uint8Array(600_000) });
      theirs.receive(large('l1'));
      theirs.receive(large('l2'));
      if (isCovered) mine.receive(message('chat', 'l1'), message('chat', 'l2'));
      await first.handOver('moved', { token: standby.token, messages: 2 });
      await takeOver();
      expect(scene.gaps).toEqual(isCovered ? [] : ['takeover']);
    }
  });

  it('whose connection ended before the lease came: its messages are said, and it connects again', async () => {
    const { scene, first, standby, theirs, say, takeOver, saidUnder } = await both();
    await first.handOver('moved', { token: standby.token, messages: 0 });
    say(message('chat', 'w1'));
    theirs.drop();
    const second = await takeOver();
    await scene.clock.advance(10_000);
    expect(saidUnder('2000').map(({ type }) => type)).toEqual([
      'monitor.connected',
      'tiktok.live.chat',
      'monitor.disconnected',
      'monitor.connected',
      'monitor.gap',
    ]);
    expect(second.state).toBe('live');
  });

  it('after Redis forgot what the old holder left: the room is known still, and a gap says what may be missing', async () => {
    const { scene, first, standby, say, takeOver, saidUnder } = await both();
    await first.handOver('moved', { token: standby.token, messages: 0 });
    say(message('chat', 'v1'));
    await takeOver({ from: 'new', carry: undefined, lastAt: undefined });
    expect(saidUnder('2000').map(({ type }) => type)).toEqual(['monitor.connected', 'monitor.gap', 'tiktok.live.chat']);
    expect(scene.gaps).toEqual(['takeover']);
  });

  it('whose end the old holder has said already: the new one knows it too, and confirms it', async () => {
    const { scene, first, say, takeOver, saidUnder } = await both();
    say(message('end', 'u1'));
    await first.stop('shutdown');
    scene.found = { kind: 'offline' };
    const second = await takeOver({ from: 'released' });
    await scene.clock.advance(20_000, (now) => second.tick(now));
    expect(saidUnder('2000').map(({ type }) => type)).toContain('monitor.offline');
    expect(scene.log.types().filter((type) => type === 'tiktok.live.end')).toHaveLength(1);
    expect(second.state).toBe('offline');
  });

  it('that is over meanwhile lets the standby go', async () => {
    const { scene, first, mine, theirs, takeOver } = await both();
    mine.receive(message('end'));
    scene.found = { kind: 'offline' };
    await scene.clock.advance(20_000, (now) => first.tick(now));
    await first.stop('shutdown');
    const second = await takeOver({ from: 'released' });
    expect(theirs.isOpen).toBe(false);
    expect(second.state).toBe('offline');
  });
});
