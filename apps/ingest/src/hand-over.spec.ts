import { describe, expect, it } from '@jest/globals';
import { message, Scene } from './testing/fakes.js';

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
