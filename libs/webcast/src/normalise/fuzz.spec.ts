import { describe, expect, it } from '@jest/globals';
import { dataProblems, type EventType } from '@tributary/events';
import { protoOf, SAMPLE_MS, SAMPLE_ROOM, sampleGift, sampleMessage, sampleText, sampleUser, sampleId } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import { WIRE_RULES } from './wire-rules.js';
import { RoomNormaliser } from './room-normaliser.js';

const MUTATIONS = 10_000;

/** Numbers of a fixed seed (mulberry32), so that a failure comes again. */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

const seeds = [
  sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, { content: 'hello', user: sampleUser(1), mentionUsers: [sampleUser(2)] }),
  sampleGift({ repeatCount: 3 }),
  sampleMessage('WebcastLikeMessage', proto.WebcastLikeMessage, { count: 15, total: '414892', user: sampleUser(1) }),
  sampleMessage('WebcastRoomUserSeqMessage', proto.WebcastRoomUserSeqMessage, {
    total: '5',
    ranks: [protoOf(proto.Contributor, { rank: '1', user: sampleUser(1) })],
  }),
  sampleMessage('WebcastBarrageMessage', proto.WebcastBarrageMessage, {
    content: sampleText('ttlive_superfan', '{0}'),
    userGradeParam: protoOf(proto.BarrageTypeUserGradeParam, { user: sampleUser(1) }),
  }),
  sampleMessage('WebcastLinkMicArmies', proto.WebcastLinkMicArmies, {
    armies: { '1': protoOf(proto.BattleUserArmies, { userArmies: [protoOf(proto.BattleUserArmy, { userId: '5' })] }) },
  }),
  sampleMessage('WebcastToastMessage', proto.WebcastToastMessage, {}, { displayText: sampleText('key', 'pattern') }),
].map(({ payload }) => payload);
const methods = [...WIRE_RULES.keys(), 'WebcastNobodyKnowsMessage', '', '__proto__', 'constructor'];

function mutated(payload: Uint8Array, next: (below: number) => number): Uint8Array {
  const bytes = Array.from(payload);
  for (let n = 1 + next(8); n > 0; n--) {
    const at = next(bytes.length + 1);
    const kind = next(5);
    if (kind === 0) bytes.length = at;
    else if (kind === 1) bytes.splice(at, 1);
    else if (kind === 2) bytes.splice(at, 0, next(256));
    else if (kind === 3) bytes.splice(at, 0, ...bytes.slice(next(bytes.length + 1), next(bytes.length + 1)));
    else bytes[Math.min(at, bytes.length)] = next(256);
  }
  return Uint8Array.from(bytes.slice(0, 60_000));
}

describe('RoomNormaliser on bytes that nobody meant to send', () => {
  it(`${MUTATIONS} mutations never throw, never vanish, and keep the shapes of the catalog`, () => {
    const next = random(20_261_122);
    const room = new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM });
    const problems = new Set<string>();
    let events = 0;
    for (let n = 0; n < MUTATIONS; n++) {
      const payload = mutated(seeds[next(seeds.length)]!, next);
      const method = methods[next(methods.length)]!;
      const drafts = room.normalise({ method, msgId: sampleId(n + 1), payload }, SAMPLE_MS);
      events += drafts.length;
      if (drafts.length === 0) problems.add(`${method}: no event`);
      for (const { type, data, time } of drafts) {
        const json = JSON.stringify(data);
        if (json.includes('\\u0000') || /\p{Surrogate}/u.test(json)) problems.add(`${type}: text that no store takes`);
        if (json.length > 300_000) problems.add(`${type}: ${json.length} characters`);
        if (!Number.isFinite(new Date(time).getTime())) problems.add(`${type}: time ${time}`);
        for (const problem of dataProblems(type as EventType, JSON.parse(json))) problems.add(`${type}${problem}`);
      }
    }
    const { counters } = room;
    expect([...problems]).toEqual([]);
    expect(counters).toMatchObject({ messages: MUTATIONS, duplicates: 0, filtered: 0, events });
    expect(counters.decodeErrors).toBeGreaterThan(1_000);
    expect(events).toBeGreaterThanOrEqual(MUTATIONS);
  });

  it('a payload nested without end is undecodable, not the end of the process', () => {
    let payload: Uint8Array = new Uint8Array();
    const length = (bytes: number): number[] => (bytes < 128 ? [bytes] : [(bytes & 127) | 128, ...length(bytes >>> 7)]);
    const TOP_FANS = [0xea, 0x02];
    for (let n = 0; n < 12_000; n++) payload = Buffer.concat([Uint8Array.from([...TOP_FANS, ...length(payload.length)]), payload]);
    const message = Buffer.concat([Uint8Array.from([0x12, ...length(payload.length)]), payload]);
    const room = new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM });
    expect(room.normalise({ method: 'WebcastEmoteChatMessage', msgId: '1', payload: message }, SAMPLE_MS)).toHaveLength(1);
    expect(room.counters.decodeErrors).toBe(1);
  });
});
