import { describe, expect, it } from '@jest/globals';
import { message, SessionHarness } from '../testing/fakes.js';

const HOUR = 3_600_000;

describe('a connection', () => {
  const lively = async (seconds: number) => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    await harness.clock.advance(seconds * 1_000, (now) => {
      if ((now / 1_000) % 2 === 0) harness.connection.receive(message());
      session.tick(now);
    });
    return { harness, session, diedAt: harness.clock.now() };
  };

  it('to a lively room that falls silent altogether is replaced within seconds', async () => {
    const { harness, session, diedAt } = await lively(120);
    await harness.clock.advance(18_000, (now) => session.tick(now));
    expect(harness.ends.map(({ reason }) => reason)).toEqual(['silence']);
    const [gap] = harness.log.all('monitor.gap');
    expect(gap).toMatchObject({ reason: 'silence' });
    expect(Date.parse(gap!.to) - diedAt).toBeLessThan(19_000);
  });

  it('to a paused stream may be silent for longer while it answers heartbeats, and no longer than others when it is dead', async () => {
    const { harness, session } = await lively(120);
    harness.connection.receive(message('pause'));
    await harness.clock.advance(180_000, (now) => {
      if ((now / 1_000) % 10 === 0) harness.connection.beat();
      session.tick(now);
    });
    expect(harness.connections).toHaveLength(1);
    await harness.clock.advance(60_000, (now) => session.tick(now));
    expect(harness.ends.map(({ reason }) => reason)).toEqual(['silence']);
  });

  it('that still answers heartbeats leads to a quiet room: it is kept until the long bound', async () => {
    const { harness, session } = await lively(120);
    await harness.clock.advance(55_000, (now) => {
      if ((now / 1_000) % 12 === 0) harness.connection.beat();
      session.tick(now);
    });
    expect(harness.connections).toHaveLength(1);
  });

  it('to a room whose usual intervals are not known yet is kept until the long bound', async () => {
    const { harness, session } = await lively(20);
    await harness.clock.advance(55_000, (now) => session.tick(now));
    expect(harness.connections).toHaveLength(1);
    await harness.clock.advance(10_000, (now) => session.tick(now));
    expect(harness.connections.length).toBeGreaterThan(1);
  });

  it('to a room that has become slow is not replaced again and again: its new intervals are learnt', async () => {
    const { harness, session } = await lively(120);
    await harness.clock.advance(HOUR, (now) => {
      if ((now / 1_000) % 15 === 0 && session.state === 'live') harness.connection.receive(message());
      session.tick(now);
    });
    expect(harness.connections.length).toBeLessThan(5);
  });
});
