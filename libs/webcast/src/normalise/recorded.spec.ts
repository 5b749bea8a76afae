import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { dataProblems, type EventDraft, isEventType } from '@tributary/events';
import { readRecordedFile } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import type { WireMessage } from '../frame/wire-message.js';
import { WIRE_RULES } from './wire-rules.js';
import { RoomNormaliser } from './room-normaliser.js';

/** Recorded payloads of real rooms; they are personal data, so they are no part of the project and nothing of them is shown. */
const DIRECTORY = join('..', 'shared', 'fixtures', 'recorded');
const REPLAYED_ON_RECONNECT = 6;
const NOW = 1_795_341_600_000;

interface RecordedMessage extends WireMessage {
  roomId: string;
}

/** The recorded messages; undefined where they are not on this machine. */
async function loadRecorded(): Promise<RecordedMessage[] | undefined> {
  if (!existsSync(DIRECTORY)) return undefined;
  const files = readdirSync(DIRECTORY).filter((name) => name.startsWith('EventsCollector_'));
  const payloads = (await Promise.all(files.map((name) => readRecordedFile(join(DIRECTORY, name))))).flat();
  return payloads.map(({ method, payload, msgId = '0' }) => {
    // The common fields stand first in every message, decodable or not.
    const { common } = proto.WebcastSpeakerMessage.decode(payload);
    return { method, msgId, roomId: common?.roomId ?? '0', payload };
  });
}

/** What makes a message one: its id in its room, or its content where it has none. */
const keyOf = ({ roomId, msgId, method, payload }: RecordedMessage) =>
  msgId === '0' ? `${roomId}/${method}/${Buffer.from(payload).toString('base64')}` : `${roomId}-${msgId}`;

const normaliserOf = (roomId: string, savedState?: string) => new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId, savedState });

function byRoom(messages: RecordedMessage[]): Map<string, RecordedMessage[]> {
  const rooms = new Map<string, RecordedMessage[]>();
  for (const message of messages) rooms.set(message.roomId, [...(rooms.get(message.roomId) ?? []), message]);
  return rooms;
}

/** Diamonds by a way of its own: each run is worth its highest repeatCount, each other gift its repeatCount. */
function diamondsOf(messages: RecordedMessage[]): number {
  const runs = new Map<string, number>();
  for (const { method, msgId, payload } of messages) {
    if (method !== 'WebcastGiftMessage') continue;
    const gift = proto.WebcastGiftMessage.decode(payload);
    const run = gift.gift?.type === 1 ? `${gift.groupId}/${gift.user?.id}/${gift.giftId}` : msgId;
    const worth = Math.max(1, gift.repeatCount) * (gift.gift?.diamondCount ?? 0);
    runs.set(run, Math.max(runs.get(run) ?? 0, worth));
  }
  return [...runs.values()].reduce((a, b) => a + b, 0);
}

function diamondsIn(drafts: Iterable<EventDraft>): number {
  let sum = 0;
  for (const { type, data } of drafts) if (type === 'tiktok.live.gift') sum += (data as { totalDiamonds: number }).totalDiamonds;
  return sum;
}

const found = await loadRecorded();
const messages = found ?? [];
const rooms = byRoom(messages);
if (!found) console.log('skipped: no recorded fixtures');

(found ? describe : describe.skip)('recorded payloads', () => {
  it('all decode, unknown ones are kept, each message of a room is one event, in the shapes of the catalog', () => {
    const mainIds = new Set<string>();
    const problems = new Set<string>();
    const total = { messages: 0, duplicates: 0, unknown: 0, decodeErrors: 0, filtered: 0 };
    for (const [roomId, recorded] of rooms) {
      const normaliser = normaliserOf(roomId);
      for (const message of recorded) {
        const [main, ...derived] = normaliser.normalise(message, NOW);
        for (const { type, data } of main ? [main, ...derived] : []) {
          if (!isEventType(type)) problems.add(`${type} is not in the catalog`);
          else for (const problem of dataProblems(type, JSON.parse(JSON.stringify(data)))) problems.add(`${type}${problem}`);
        }
        if (main && mainIds.has(main.id)) problems.add('an id came twice');
        if (main) mainIds.add(main.id);
      }
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += normaliser.counters[name];
    }
    const distinct = new Set(messages.map(keyOf));
    const unmapped = new Set(messages.filter(({ method }) => !WIRE_RULES.has(method)).map(keyOf));
    expect([...problems]).toEqual([]);
    expect(total).toEqual({
      messages: messages.length,
      duplicates: messages.length - distinct.size,
      unknown: unmapped.size,
      decodeErrors: 0,
      filtered: 0,
    });
    expect(mainIds.size).toBe(distinct.size);
    expect([...distinct].filter((key) => !key.includes('/')).every((id) => mainIds.has(id))).toBe(true);
  });

  it('gift events sum to the diamonds of the payloads', () => {
    let events = 0;
    for (const [roomId, recorded] of rooms) {
      const normaliser = normaliserOf(roomId);
      events += diamondsIn(recorded.flatMap((message) => normaliser.normalise(message, NOW)));
    }
    expect(events).toBeGreaterThan(0);
    expect(events).toBe(diamondsOf(messages));
  });

  it('and do so with a reconnect or a change of holder after any gift, with replayed messages', () => {
    for (const [roomId, recorded] of rooms) {
      const gifts = recorded.filter(({ method }) => method === 'WebcastGiftMessage');
      const expected = diamondsOf(gifts);
      for (let cut = 1; cut < gifts.length; cut++) {
        // What the store keeps: the first event of each id.
        const stored = new Map<string, EventDraft>();
        const store = (drafts: EventDraft[]) => drafts.forEach((draft) => stored.has(draft.id) || stored.set(draft.id, draft));
        const first = normaliserOf(roomId);
        for (const message of gifts.slice(0, cut)) store(first.normalise(message, NOW));
        const second = normaliserOf(roomId, first.takeSavedState());
        for (const message of gifts.slice(Math.max(0, cut - REPLAYED_ON_RECONNECT))) store(second.normalise(message, NOW + 1_000));
        expect(diamondsIn(stored.values())).toBe(expected);
      }
    }
  });

  it('like totals never decrease, and end at the highest total of the payloads', () => {
    for (const [roomId, recorded] of rooms) {
      const likes = recorded.filter(({ method }) => method === 'WebcastLikeMessage');
      if (likes.length === 0) continue;
      const normaliser = normaliserOf(roomId);
      const shown = likes
        .flatMap((message) => normaliser.normalise(message, NOW))
        .map(({ data }) => (data as { roomLikes: number }).roomLikes);
      expect(shown.every((value, n) => n === 0 || value >= shown[n - 1]!)).toBe(true);
      expect(shown.at(-1)).toBe(Math.max(...likes.map(({ payload }) => Number(proto.WebcastLikeMessage.decode(payload).total))));
    }
  });
});
