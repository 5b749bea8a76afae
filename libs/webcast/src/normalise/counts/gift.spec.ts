import { describe, expect, it } from '@jest/globals';
import type { DataOf } from '@tributary/events';
import { catalogProblems, protoOf, SAMPLE_MS, SAMPLE_ROOM, sampleGift, sampleUser } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import type { WireMessage } from '../../frame/wire-message.js';
import { GiftPrices } from './gift-prices.js';
import { RoomNormaliser, type RoomNormaliserOptions } from '../room-normaliser.js';

type Gift = DataOf<'tiktok.live.gift'>;

const HOST = '900';
const GUEST = '901';
const room = (options: Partial<RoomNormaliserOptions> = {}) =>
  new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM, ...options });
const toMonitor = (toUserId: string, anchorId = HOST) => ({ monitorInfo: protoOf(proto.GiftMonitorInfo, { anchorId, toUserId }) });
const single = (parts: Partial<proto.WebcastGiftMessage>) => sampleGift({ groupId: '0', ...parts }, { type: 2, diamondCount: 1 });

function give(normaliser: RoomNormaliser, message: WireMessage): Gift {
  const [event, ...others] = normaliser.normalise(message, SAMPLE_MS);
  if (!event || others.length > 0) throw new Error('expected one event');
  expect(catalogProblems(event)).toEqual([]);
  // As the log has it.
  return JSON.parse(JSON.stringify(event.data)) as Gift;
}

describe('who received a gift', () => {
  const receiver = (parts: Partial<proto.WebcastGiftMessage>, options: Partial<RoomNormaliserOptions> = {}) =>
    give(room(options), single(parts)).toUser;

  it('is the user whom the message names', () => {
    expect(receiver({ toUser: sampleUser(9), ...toMonitor(GUEST) })).toMatchObject({ id: '7000000000000000009', nickname: 'Viewer 9' });
  });

  it('is the user of the monitor info where it names nobody', () => {
    expect(receiver(toMonitor(GUEST))).toEqual({ id: GUEST });
  });

  it('is the member where neither names anybody', () => {
    expect(receiver({ toMemberId: GUEST, toMemberIdInt: GUEST, toMemberNickname: 'Guest One' })).toEqual({
      id: GUEST,
      nickname: 'Guest One',
    });
    expect(receiver({ toMemberIdInt: GUEST, toMemberNickname: 'Guest One' })).toEqual({ id: GUEST, nickname: 'Guest One' });
    expect(receiver({ toMemberId: GUEST, toMemberNickname: 'Guest One' })).toEqual({ id: GUEST, nickname: 'Guest One' });
    expect(receiver({ toMemberId: 'MS4wLjAB', toMemberNickname: 'Guest One' })).toBeUndefined();
  });

  it('has the name that stands beside its id in another place', () => {
    expect(receiver({ ...toMonitor(GUEST), toMemberIdInt: GUEST, toMemberNickname: 'Guest One' })).toEqual({
      id: GUEST,
      nickname: 'Guest One',
    });
  });

  it('is a guest where any place names one beside the host', () => {
    expect(receiver({ ...toMonitor(HOST), toMemberIdInt: GUEST, toMemberNickname: 'Guest One' })).toMatchObject({ id: GUEST });
  });

  it('is nobody where it is the host', () => {
    expect(receiver(toMonitor(HOST))).toBeUndefined();
    expect(receiver({ toUser: sampleUser(9, { id: HOST }), ...toMonitor(HOST) })).toBeUndefined();
    expect(receiver({ toUser: sampleUser(9, { displayId: 'Host' }) })).toBeUndefined();
    expect(receiver({ toMemberIdInt: HOST }, { userId: HOST })).toBeUndefined();
    expect(receiver({ toUser: sampleUser(9, { id: '0' }) })).toBeUndefined();
  });
});

describe('streaks to several receivers', () => {
  const step = (repeatCount: number, toUserId: string) => sampleGift({ repeatCount, ...toMonitor(toUserId) });
  const counts = (normaliser: RoomNormaliser, ...messages: WireMessage[]) => messages.map((message) => give(normaliser, message).count);

  it('are counted apart, and a streak to the host keeps its name', () => {
    const normaliser = room();
    const [host, guest] = [give(normaliser, step(3, HOST)), give(normaliser, step(2, GUEST))];
    expect([host.streakId, guest.streakId]).toEqual([
      '1795341599000-7000000000000000001-5655',
      '1795341599000-7000000000000000001-5655-901',
    ]);
    expect(counts(normaliser, step(4, HOST), step(5, GUEST), step(1, '902'))).toEqual([1, 3, 1]);
  });

  it('are counted on by the next holder', () => {
    const old = room();
    counts(old, step(3, HOST), step(2, GUEST), step(7, '902'));
    const savedState = old.takeSavedState();
    expect(counts(room({ savedState }), step(4, HOST), step(5, GUEST), step(7, '902'))).toEqual([1, 3, 0]);
  });

  it('that a former version carried without their receiver are counted on', () => {
    const runs = [['1795341599000-7000000000000000001-5655', 3, SAMPLE_MS, 0]];
    const former = room({ savedState: JSON.stringify({ v: 1, room: SAMPLE_ROOM, likes: [0, 0], runs }) });
    expect(former.isRestored).toBe(true);
    expect(counts(former, step(5, GUEST), step(6, GUEST), step(2, '902'))).toEqual([2, 1, 2]);
  });

  it('are carried without their receiver too, for a former version beside this one', () => {
    const old = room();
    counts(old, step(2, GUEST), step(7, '902'));
    expect(JSON.parse(old.takeSavedState() ?? '')).toMatchObject({
      v: 1,
      runs: [['1795341599000-7000000000000000001-5655', 7, SAMPLE_MS, 0]],
    });
  });
});

describe('what a gift is worth', () => {
  const bare = (parts: Partial<proto.WebcastGiftMessage> = {}) => sampleGift({ repeatCount: 2, gift: undefined, ...parts });

  it('is not said where its price is not known', () => {
    const gift = give(room(), bare());
    expect(gift).toMatchObject({ unpriced: true, count: 2, giftId: '5655' });
    expect(gift).not.toHaveProperty('diamonds');
    expect(gift).not.toHaveProperty('totalDiamonds');
    expect(give(room(), sampleGift({ repeatCount: 2 }, { diamondCount: 0 }))).toMatchObject({ unpriced: true });
  });

  it('is the price that the same gift had before, in any room of the process', () => {
    const prices = new GiftPrices();
    const priced = give(room({ prices }), sampleGift({ repeatCount: 1 }));
    expect(priced).toMatchObject({ diamonds: 5, totalDiamonds: 5 });
    expect(priced).not.toHaveProperty('priceLearnt');
    const learnt = give(room({ prices }), bare());
    expect(learnt).toMatchObject({ diamonds: 5, totalDiamonds: 10, priceLearnt: true });
    expect(learnt).not.toHaveProperty('unpriced');
  });

  it('is learnt within a bound', () => {
    const prices = new GiftPrices(2);
    prices.learn('1', 10);
    prices.learn('2', 20);
    prices.learn('1', 11);
    prices.learn('3', 30);
    expect([prices.of('1'), prices.of('2'), prices.of('3')]).toEqual([11, undefined, 30]);
  });
});
