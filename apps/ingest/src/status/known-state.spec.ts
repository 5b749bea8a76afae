import { describe, expect, it } from '@jest/globals';
import { live, message, SessionHarness, settle } from '../testing/fakes.js';

const MINUTE = 60_000;

describe('what a worker says of a creator', () => {
  it('is that it is not known whether it is live, until a poll was answered', async () => {
    const harness = new SessionHarness();
    harness.found = { kind: 'failed', errors: ['no route to host'] };
    const session = harness.session();
    session.start();
    await settle();
    expect(session.takeStatus(harness.clock.now())).toMatchObject({ state: 'unknown', lastError: { reason: 'poll-failed' } });
    await harness.clock.advance(10 * MINUTE, (now) => session.tick(now));
    const status = session.takeStatus(harness.clock.now())!;
    expect(status.state).toBe('error');
    expect(status.checked).toBeUndefined();
    harness.found = { kind: 'offline' };
    await harness.clock.advance(10 * MINUTE, (now) => session.tick(now));
    const checked = session.takeStatus(harness.clock.now())!;
    expect(checked).toMatchObject({ state: 'offline', checked: { live: false } });
    expect(checked.lastError).toBeUndefined();
  });

  it('keeps what was known last through polls that fail, with when that was', async () => {
    const harness = new SessionHarness();
    const session = harness.session();
    session.start();
    await settle();
    const at = harness.clock.now();
    harness.found = { kind: 'failed', errors: ['no route to host'] };
    await harness.clock.advance(20 * MINUTE, (now) => session.tick(now));
    expect(session.takeStatus(harness.clock.now())).toMatchObject({ state: 'error', checked: { live: false, at } });
  });

  it('is on air while its room is received, and its title goes with the stream', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    await harness.clock.advance(MINUTE, (now) => {
      session.tick(now);
      if (harness.connection.isOpen) harness.connection.receive(message());
    });
    const status = session.takeStatus(harness.clock.now())!;
    expect(status).toMatchObject({ state: 'live', title: 'a title', checked: { live: true } });
    expect(harness.clock.now() - status.checked!.at).toBeLessThanOrEqual(1_000);
    harness.found = { kind: 'offline' };
    harness.connection.receive(message('end'));
    await harness.clock.advance(10_000, (now) => session.tick(now));
    const ended = session.takeStatus(harness.clock.now())!;
    expect(ended).toMatchObject({ state: 'offline', checked: { live: false } });
    expect(ended).not.toHaveProperty('title');
    expect(ended).not.toHaveProperty('viewers');
  });

  it('is not the title of the stream before, where the new one has none', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    harness.found = { ...(live('7000000000000000002') as object), title: undefined } as typeof harness.found;
    harness.connection.drop();
    await harness.clock.advance(10_000, (now) => session.tick(now));
    const status = session.takeStatus(harness.clock.now())!;
    expect(status).toMatchObject({ state: 'live', roomId: '7000000000000000002' });
    expect(status).not.toHaveProperty('title');
  });

  it('is, once it is paused, that it is paused, with what was known last', async () => {
    const harness = new SessionHarness();
    const session = await harness.liveSession();
    await session.stop('paused');
    const last = session.finalStatus('paused');
    expect(last).toMatchObject({ state: 'paused', since: harness.clock.now(), checked: { live: true } });
    for (const gone of ['title', 'viewers', 'worker', 'queue', 'lastError']) expect(last).not.toHaveProperty(gone);
  });
});
