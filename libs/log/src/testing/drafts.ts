import type { EventDraft } from '@tributary/events';

export const ROOM = '7000000000000000000';

/** The n-th event of a creator; `text` makes it larger. */
export function draft(n: number, creatorId: string, text = `text ${n}`): EventDraft {
  return {
    id: `${ROOM}-${creatorId}-${n}`,
    type: 'tiktok.live.chat',
    creatorId,
    handle: creatorId,
    roomId: ROOM,
    time: 1_700_000_000_000 + n,
    receivedAt: Date.now(),
    data: { comment: text },
  };
}
