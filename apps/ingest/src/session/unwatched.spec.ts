import { describe, expect, it } from '@jest/globals';
import type { Lease } from '@tributary/creators';
import { live, message, ROOM, Scene, settle } from '../testing/fakes.js';

const MINUTE = 60_000;
const at = (ms: number) => new Date(ms).toISOString();

/** A live room that is paused or removed five minutes after its last message but one. */
async function stopped(reason: 'paused' | 'removed'): Promise<{ scene: Scene; lastAt: number }> {
  const scene = new Scene();
  const session = await scene.liveSession();
  scene.link.receive(message());
  await scene.clock.advance(20_000, (now) => session.tick(now));
  scene.link.receive(message());
  const lastAt = scene.clock.now();
  await scene.clock.advance(10_000, (now) => session.tick(now));
  await session.stop(reason);
  return { scene, lastAt };
}

/** A new session that inherits what the one before has left. */
async function resumed(scene: Scene, over: Partial<Lease> = {}): Promise<Scene> {
  const session = scene.session({ fence: '2000', carry: scene.log.carry, lastAt: scene.log.drafts.at(-1)!.receivedAt, ...over });
  session.start();
  await settle();
  return scene;
}

describe('a room that is watched no more', () => {
  it.each(['paused', 'removed'] as const)(
    'because its creator was %s is told as such, with when it was last known to be on air',
    async (reason) => {
      const { scene, lastAt } = await stopped(reason);
      expect(scene.log.types().slice(-2)).toEqual(['monitor.disconnected', 'monitor.unwatched']);
      expect(scene.log.all('monitor.unwatched')).toEqual([{ roomId: ROOM, reason, lastSeenAt: at(lastAt) }]);
      expect(scene.log.drafts.at(-1)).toMatchObject({ roomId: ROOM, creatorId: 'cr_1', handle: 'alice' });
    },
  );

  it('is not told of a creator that was offline, nor where the worker stops or another one takes over', async () => {
    const offline = new Scene();
    const session = offline.session();
    session.start();
    await offline.clock.advance(MINUTE);
    await session.stop('paused');
    expect(offline.log.types()).toEqual([]);
    for (const reason of ['shutdown', 'moved', 'lost'] as const) {
      const scene = new Scene();
      await (await scene.liveSession()).stop(reason);
      expect(scene.log.types()).not.toContain('monitor.unwatched');
    }
  });

  it('counts a poll that found it on air while it could not be connected', async () => {
    const scene = new Scene();
    scene.bundle = () => ({ ok: false, reason: 'unavailable', message: 'the signer is down' });
    const session = await scene.liveSession();
    const foundAt = scene.clock.now();
    await scene.clock.advance(10 * MINUTE, (now) => session.tick(now));
    await session.stop('paused');
    const [told] = scene.log.all('monitor.unwatched');
    expect(Date.parse(told!.lastSeenAt)).toBeGreaterThan(foundAt + 5 * MINUTE);
    expect(Date.parse(told!.lastSeenAt)).toBeLessThanOrEqual(scene.clock.now());
  });

  it('goes on where it is resumed while it lives: connected again, with the pause as its gap', async () => {
    const { scene, lastAt } = await stopped('paused');
    await scene.clock.advance(40 * MINUTE);
    await resumed(scene);
    expect(scene.log.types().slice(-2)).toEqual(['monitor.connected', 'monitor.gap']);
    expect(scene.log.all('monitor.gap')).toEqual([
      { roomId: ROOM, reason: 'paused', from: at(lastAt), to: at(scene.clock.now()), missedEstimate: expect.any(Number) },
    ]);
  });

  it('and has ended by the time it is resumed ends when it was last known to be on air, not days later', async () => {
    const { scene, lastAt } = await stopped('paused');
    await scene.clock.advance(3 * 24 * 60 * MINUTE);
    scene.found = { kind: 'offline' };
    await resumed(scene);
    await scene.clock.advance(MINUTE);
    expect(scene.log.types().slice(-2)).toEqual(['monitor.gap', 'monitor.offline']);
    expect(scene.log.all('monitor.offline')).toEqual([{ roomId: ROOM, confirmedBy: 'poll', lastSeenAt: at(lastAt) }]);
    const [gap] = scene.log.all('monitor.gap');
    expect(gap).toMatchObject({ reason: 'paused', from: at(lastAt), lastSeenAt: at(lastAt) });
    expect(Date.parse(gap!.to)).toBeGreaterThan(lastAt + 2 * 24 * 60 * MINUTE);
  });

  it('leaves a gap to its successor even where it was never connected', async () => {
    const scene = new Scene();
    scene.connectResult = { ok: false, reason: 'unreachable', message: 'no route' };
    const session = await scene.liveSession();
    const foundAt = scene.clock.now();
    await session.stop('removed');
    scene.connectResult = { ok: true };
    scene.found = live();
    await scene.clock.advance(20 * MINUTE);
    await resumed(scene);
    expect(scene.log.all('monitor.gap')).toMatchObject([{ from: at(foundAt) }]);
  });
});
