import { describe, expect, it } from '@jest/globals';
import type { EventDraft } from '@tributary/events';
import { LostEvents } from './lost-events.js';

const refused = (receivedAt: number, creatorId = 'cr_1') => ({
  id: `1-${receivedAt}`,
  creatorId,
  fence: '1700000000000000',
  type: 'tiktok.live.chat',
  handle: 'one',
  roomId: '7',
  receivedAt,
});

let handleOf: (creatorId: string) => string | undefined;
const lostEvents = (append: (draft: EventDraft, fence: string) => boolean) =>
  new LostEvents({ log: { append }, now: () => 9_000, handleOf: (id) => handleOf(id) });

describe('refused events that no holder knows to be missing', () => {
  it('become one gap for each creator, under no fence that the log could refuse', () => {
    const taken: { draft: EventDraft; fence: string }[] = [];
    const lost = lostEvents((draft, fence) => taken.push({ draft, fence }) > 0);
    lost.addRefused(refused(2_000));
    lost.addRefused(refused(1_000));
    lost.addRefused(refused(5_000));
    lost.addRefused(refused(3_000, 'cr_2'));
    expect(lost.publishGaps()).toBe(2);
    expect(taken.map(({ draft: { creatorId }, fence }) => [creatorId, fence])).toEqual([
      ['cr_1', ''],
      ['cr_2', ''],
    ]);
    expect(taken[0]!.draft).toMatchObject({
      id: 'cr_1-1700000000000000-1000',
      type: 'monitor.gap',
      data: {
        roomId: '7',
        from: '1970-01-01T00:00:01.000Z',
        to: '1970-01-01T00:00:05.000Z',
        reason: 'takeover',
        missedEstimate: 3,
      },
    });
    expect(lost.publishGaps()).toBe(0);
  });

  it('wait while memory is full', () => {
    let isFull = true;
    const lost = lostEvents(() => !isFull);
    lost.addRefused(refused(1_000));
    expect(lost.publishGaps()).toBe(0);
    isFull = false;
    expect(lost.publishGaps()).toBe(1);
  });
});

describe('events that cannot be read back', () => {
  it('become a gap once the handle of the creator is known, and none where the creator is no longer monitored', () => {
    const published: EventDraft[] = [];
    const lost = lostEvents((draft) => published.push(draft) > 0);
    const period = { fence: '1700000000000000', handle: '', roomId: '', from: 1_000, to: 5_000 };
    lost.addPeriod({ ...period, creatorId: 'cr_1' });
    lost.addPeriod({ ...period, creatorId: 'cr_2' });
    handleOf = () => undefined;
    expect(lost.publishGaps()).toBe(0);
    handleOf = (id) => (id === 'cr_1' ? 'one' : '');
    expect(lost.publishGaps()).toBe(1);
    expect(published).toMatchObject([{ creatorId: 'cr_1', handle: 'one', type: 'monitor.gap' }]);
    expect(published[0]!.data).toEqual({ from: '1970-01-01T00:00:01.000Z', to: '1970-01-01T00:00:05.000Z', reason: 'buffer-full' });
    expect(lost.publishGaps()).toBe(0);
  });
});
