import { describe, expect, it } from '@jest/globals';
import { type CreatorStatus, emptyCounters } from '@tributary/creators';
import { type OpenRoom, unwatchedReason } from './unwatched-rooms.js';

const HOUR = 3_600_000;
const room = (over: Partial<OpenRoom> = {}): OpenRoom => ({
  roomId: '7',
  creatorId: 'cr_1',
  handle: 'one',
  lastEventAt: 0,
  lastSeenAt: 0,
  idleMs: 60_000,
  changedMs: 60_000,
  creator: 'watched',
  ...over,
});
const held = (state: CreatorStatus['state'], roomId: string | undefined = '7', isHeld = true) => ({
  isHeld,
  status: { state, roomId, since: 0, worker: 'w', counters: emptyCounters() },
});

describe('a room that counts as live', () => {
  it('is watched while a living worker speaks of it, or may still find its way back', () => {
    for (const state of ['live', 'connecting', 'reconnecting', 'gated', 'blocked', 'error'] as const)
      expect({ state, reason: unwatchedReason(room(), held(state)) }).toEqual({ state, reason: undefined });
    expect(unwatchedReason(room({ idleMs: 9 * HOUR }), held('live'))).toBeUndefined();
    expect(unwatchedReason(room({ idleMs: 9 * HOUR }), held('gated'))).toBeUndefined();
  });

  it.each([
    ['its creator was paused', room({ creator: 'paused' }), held('live'), 'paused'],
    ['its creator was removed', room({ creator: 'removed' }), undefined, 'removed'],
    ['no worker has ever reported anything of it', room(), undefined, 'no-worker'],
    ['its worker is dead', room(), held('live', '7', false), 'no-worker'],
    ['its worker has found the creator offline', room(), held('offline'), 'end-missed'],
    ['its creator is in another room', room(), held('live', '8'), 'end-missed'],
    ['nothing of it was received for half an hour', room({ idleMs: HOUR }), held('blocked'), 'not-received'],
    ['nothing of it was received for half an hour, in error', room({ idleMs: HOUR }), held('error'), 'not-received'],
  ] as const)('is not where %s', (_, open, reported, reason) => {
    expect(unwatchedReason(open, reported)).toBe(reason);
  });
});
