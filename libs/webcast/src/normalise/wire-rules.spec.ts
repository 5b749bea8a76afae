import { describe, expect, it } from '@jest/globals';
import { EVENT_TYPES, type EventDraft, type EventType, isEventType } from '@tributary/events';
import { catalogProblems, SAMPLE_MS, SAMPLE_ROOM, sampleMessage } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import type { WireMessage } from '../frame/wire-message.js';
import { MAPPED_TYPES, WIRE_RULES } from './wire-rules.js';
import { RoomNormaliser } from './room-normaliser.js';

/** Normalises one message in a new room, and holds each event against the catalog. */
function eventsOf(message: WireMessage): EventDraft[] {
  const room = new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM });
  const drafts = room.normalise(message, SAMPLE_MS + 150);
  expect(drafts.flatMap(catalogProblems)).toEqual([]);
  return drafts;
}

/** Types of the catalog that no rule makes, with what makes them. */
const MADE_ELSEWHERE: Partial<Record<EventType, string>> = {
  'tiktok.live.unknown': 'the normaliser, of messages that have no rule',
};

describe('the map of wire types', () => {
  it('every mapped message yields events of the types its rule names, even when it is empty', () => {
    expect(WIRE_RULES.size).toBe(62);
    for (const [method, rule] of WIRE_RULES) {
      const { msgId, payload } = sampleMessage('WebcastSpeakerMessage', proto.WebcastSpeakerMessage, {});
      const types = eventsOf({ method, msgId, payload }).map(({ type }) => type);
      expect([method, types.length > 0 && types.every((type) => rule.types.some((known) => known === type))]).toEqual([method, true]);
    }
    expect(MAPPED_TYPES.every(isEventType)).toBe(true);
  });

  it('makes every TikTok type of the catalog, but those that are known to be made elsewhere', () => {
    const made = new Set([...WIRE_RULES.values()].flatMap(({ types }) => types));
    const others = EVENT_TYPES.filter((type) => type.startsWith('tiktok.') && !made.has(type));
    expect(others).toEqual(Object.keys(MADE_ELSEWHERE));
  });
});
