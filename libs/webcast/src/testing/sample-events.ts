import type { EventDraft, EventType } from '@tributary/events';
import { catalogProblems, SAMPLE_MS, SAMPLE_ROOM } from '@tributary/testing';
import { RoomNormaliser } from '../normalise/room-normaliser.js';
import type { WireMessage } from '../frame/wire-message.js';

/** The time of sample messages, as event data shows it. */
export const SAMPLE_TIME = new Date(SAMPLE_MS).toISOString();

/** `sampleUser(1)` of libs/testing, as event data shows it. */
export const viewer = {
  id: '7000000000000000001',
  uniqueId: 'viewer.1',
  nickname: 'Viewer 1',
  avatarUrl: 'https://p16.example/avatar-1.webp',
  isModerator: false,
  followRole: 1,
};

/**
 * Normalises one message in a new room.
 * @throws Error where an event is not as the catalog says
 */
export function eventsOf(message: WireMessage): EventDraft[] {
  const room = new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM });
  const drafts = room.normalise(message, SAMPLE_MS + 150);
  const problems = drafts.flatMap(catalogProblems);
  if (problems.length > 0) throw new Error(problems.join('; '));
  return drafts;
}

/** The data of the message's event of this type. */
export function dataOf(message: WireMessage, type: EventType): object | undefined {
  return eventsOf(message).find((draft) => draft.type === type)?.data;
}
