import { describe, expect, it } from '@jest/globals';
import { dataProblems } from '@tributary/events';
import { decodeHandoverState } from '../handover/handover-state.js';
import { CreatorPublisher } from './creator-publisher.js';
import { FakeLog } from '../testing/fakes.js';

const place = { handle: 'alice', roomId: '7000000000000000001' };

function makePublisher(): { publisher: CreatorPublisher; log: FakeLog; time: { now: number } } {
  const log = new FakeLog();
  const time = { now: 1_000_000 };
  const publisher = new CreatorPublisher({ creatorId: 'cr_1', fence: '17', log, now: () => time.now, onGap: () => undefined });
  return { publisher, log, time };
}

describe('CreatorPublisher', () => {
  it('publishes gaps as the catalog describes them', () => {
    const { publisher, log } = makePublisher();
    publisher.publishGap(place, { from: 500_000, reason: 'silence', rate: 4 }, 1_000_000);
    publisher.publishGap({ ...place, roomId: '' }, { from: 2_000_000, reason: 'paused' }, 1_000_000);
    for (const draft of log.drafts) expect(dataProblems('monitor.gap', draft.data)).toEqual([]);
    expect(log.drafts.map(({ data }) => data)).toMatchObject([{ missedEstimate: 2_000 }, { from: new Date(1_000_000).toISOString() }]);
  });

  it('removes what a store would refuse from the texts of TikTok', () => {
    const { publisher, log } = makePublisher();
    publisher.publishMonitor('monitor.live', place, { roomId: place.roomId, title: 'a\0b\ud83d' });
    publisher.publishMonitor('monitor.error', place, { reason: 'blocked', message: 'x'.repeat(1_000_000) });
    const [live, error] = log.drafts.map(({ data }) => data as { title?: string; message?: string });
    expect(live!.title).toBe('ab\ufffd');
    expect(error!.message!.length).toBeLessThan(100_000);
  });

  it('writes a change of the handover state with the next event, and with that one alone', () => {
    const { publisher, log } = makePublisher();
    publisher.updateState({ roomId: place.roomId, live: true });
    expect(log.handoverState).toBeUndefined();
    log.isFull = true;
    publisher.publishMonitor('monitor.offline', place, { roomId: place.roomId, confirmedBy: 'poll' });
    log.isFull = false;
    publisher.flushPending();
    expect(decodeHandoverState(log.handoverState)).toEqual({ roomId: place.roomId, live: true });
    log.handoverState = undefined;
    publisher.publishMonitor('monitor.offline', place, { roomId: place.roomId, confirmedBy: 'poll' });
    expect(log.handoverState).toBeUndefined();
    publisher.rewriteState();
    publisher.publishMonitor('monitor.offline', place, { roomId: place.roomId, confirmedBy: 'poll' });
    expect(decodeHandoverState(log.handoverState)).toEqual({ roomId: place.roomId, live: true });
  });

  it('keeps a bounded number of events while memory is full, and covers dropped ones with a gap', () => {
    const { publisher, log, time } = makePublisher();
    log.isFull = true;
    publisher.publishGap(place, { from: 10_000, reason: 'disconnect', rate: 1 }, 20_000);
    for (let n = 0; n < 500; n += 1) {
      time.now += 1_000;
      publisher.publishMonitor('monitor.disconnected', place, { roomId: place.roomId, reason: 'disconnect', durationMs: 1, events: 0 });
    }
    log.isFull = false;
    expect(publisher.flushPending()).toBe(true);
    expect(log.drafts.length).toBeLessThan(70);
    expect(log.drafts.at(-1)).toMatchObject({ type: 'monitor.gap', data: { reason: 'buffer-full', from: new Date(10_000).toISOString() } });
  });
});
