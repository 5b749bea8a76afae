import { describe, expect, it } from '@jest/globals';
import { dataProblems } from '@tributary/events';
import { type CreatorCarry, decodeCreatorCarry, encodeCreatorCarry } from '../handover/handover-state.js';
import { CreatorVoice } from './creator-publisher.js';
import { RateMeter } from './rate-meter.js';
import { FakeLog } from '../testing/fakes.js';

const where = { handle: 'alice', roomId: '7000000000000000001' };

function makeVoice(): { voice: CreatorVoice; log: FakeLog; time: { now: number } } {
  const log = new FakeLog();
  const time = { now: 1_000_000 };
  const voice = new CreatorVoice({ creatorId: 'cr_1', fence: '17', appender: log, now: () => time.now, onGap: () => undefined });
  return { voice, log, time };
}

describe('CreatorVoice', () => {
  it('says what is in the catalog', () => {
    const { voice, log } = makeVoice();
    voice.gap(where, { from: 500_000, reason: 'silence', rate: 4 }, 1_000_000);
    voice.gap({ ...where, roomId: '' }, { from: 2_000_000, reason: 'paused' }, 1_000_000);
    for (const draft of log.drafts) expect(dataProblems('monitor.gap', draft.data)).toEqual([]);
    expect(log.drafts.map(({ data }) => data)).toMatchObject([{ missedEstimate: 2_000 }, { from: new Date(1_000_000).toISOString() }]);
  });

  it('says nothing that a store would refuse, whatever TikTok called it', () => {
    const { voice, log } = makeVoice();
    voice.monitor('monitor.live', where, { roomId: where.roomId, title: 'a\0b\ud83d' });
    voice.monitor('monitor.error', where, { reason: 'blocked', message: 'x'.repeat(1_000_000) });
    const [live, error] = log.drafts.map(({ data }) => data as { title?: string; message?: string });
    expect(live!.title).toBe('ab\ufffd');
    expect(error!.message!.length).toBeLessThan(100_000);
  });

  it('writes a change for the next holder with the very next event, and only then', () => {
    const { voice, log } = makeVoice();
    voice.note({ roomId: where.roomId, live: true });
    expect(log.carry).toBeUndefined();
    log.isFull = true;
    voice.monitor('monitor.offline', where, { roomId: where.roomId, confirmedBy: 'poll' });
    log.isFull = false;
    voice.settle();
    expect(decodeCreatorCarry(log.carry)).toEqual({ roomId: where.roomId, live: true });
    log.carry = undefined;
    voice.monitor('monitor.offline', where, { roomId: where.roomId, confirmedBy: 'poll' });
    expect(log.carry).toBeUndefined();
    voice.noteAgain();
    voice.monitor('monitor.offline', where, { roomId: where.roomId, confirmedBy: 'poll' });
    expect(decodeCreatorCarry(log.carry)).toEqual({ roomId: where.roomId, live: true });
  });

  it('is bounded while memory is full, and what it had to drop is within the gap that it tells', () => {
    const { voice, log, time } = makeVoice();
    log.isFull = true;
    voice.gap(where, { from: 10_000, reason: 'disconnect', rate: 1 }, 20_000);
    for (let n = 0; n < 500; n += 1) {
      time.now += 1_000;
      voice.monitor('monitor.disconnected', where, { roomId: where.roomId, reason: 'disconnect', durationMs: 1, events: 0 });
    }
    log.isFull = false;
    expect(voice.settle()).toBe(true);
    expect(log.drafts.length).toBeLessThan(70);
    expect(log.drafts.at(-1)).toMatchObject({ type: 'monitor.gap', data: { reason: 'buffer-full', from: new Date(10_000).toISOString() } });
  });
});

describe('the carry', () => {
  it('is read as it was written', () => {
    const carry: CreatorCarry = {
      roomId: '1',
      live: true,
      gap: { from: 5, reason: 'blocked', rate: 1.5 },
      room: '{"v":1}',
      ids: ['1', '2'],
    };
    expect(decodeCreatorCarry(encodeCreatorCarry(carry))).toEqual(carry);
  });

  it('of another version, or none at all, is not used', () => {
    for (const text of [undefined, '', 'x', '[]', 'null', '{"v":2,"roomId":"1","live":true}', '{"v":1,"roomId":1,"live":true}']) {
      expect(decodeCreatorCarry(text)).toBeUndefined();
    }
    expect(decodeCreatorCarry('{"v":1,"roomId":"1","live":true,"gap":{"from":1,"reason":"nonsense"}}')).toEqual({
      roomId: '1',
      live: true,
    });
  });
});

describe('RateMeter', () => {
  it('is the rate of the last minute, and forgets what is older', () => {
    const meter = new RateMeter(0);
    for (let second = 0; second < 120; second += 1) meter.add(4, second * 1_000);
    expect(meter.perSecond(119_999)).toBeCloseTo(4, 1);
    expect(meter.perSecond(600_000)).toBe(0);
    const young = new RateMeter(1_000);
    young.add(10, 2_000);
    expect(young.perSecond(6_000)).toBeCloseTo(2, 5);
  });
});
