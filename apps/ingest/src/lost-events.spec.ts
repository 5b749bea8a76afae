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

describe('events that were refused and that nobody else knows to be missing', () => {
  it('become one gap for each creator, which no fence can refuse', () => {
    const taken: { draft: EventDraft; fence: string }[] = [];
    const lost = new LostEvents({ appender: { append: (draft, fence) => taken.push({ draft, fence }) > 0 }, now: () => 9_000 });
    lost.add(refused(2_000));
    lost.add(refused(1_000));
    lost.add(refused(5_000));
    lost.add(refused(3_000, 'cr_2'));
    expect(lost.tell()).toBe(2);
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
    expect(lost.tell()).toBe(0);
  });

  it('wait while memory is full', () => {
    let isFull = true;
    const lost = new LostEvents({ appender: { append: () => !isFull }, now: () => 9_000 });
    lost.add(refused(1_000));
    expect(lost.tell()).toBe(0);
    isFull = false;
    expect(lost.tell()).toBe(1);
  });
});
