import { count, idIfAny } from './clean.js';
import type { CountedGift } from './gift-runs.js';
import type { LeanGift } from './lean-messages.js';
import { personOf } from './people.js';
import type { RoomScope } from './scope.js';

/** TikTok's type of gifts that come in streaks. */
const STREAK_TYPE = 1;

export function gift(message: LeanGift, room: RoomScope): void {
  const { trim } = room;
  const details = message.gift;
  const giftId = idIfAny(message.giftId) ?? idIfAny(details?.id) ?? '0';
  const diamonds = count(details?.diamondCount ?? 0);
  const user = personOf(trim, message.user, message.userIdentity);
  const toUser = personOf(trim, message.toUser);
  const name = trim.text(details?.name ?? '');
  const imageUrl = trim.image(details?.image ?? details?.icon);
  // Counting changes the room's state, so it comes after everything that a strange payload could break.
  const counted = isStreak(message) ? streak(message, giftId, room) : single(message, room);
  room.emit('tiktok.live.gift', {
    user,
    toUser: toUser?.id === '0' ? undefined : toUser,
    giftId,
    name,
    imageUrl,
    diamonds,
    streakId: counted.streakId,
    count: counted.count,
    streakCount: counted.streakCount,
    final: counted.final,
    totalDiamonds: Math.min(counted.count * diamonds, Number.MAX_SAFE_INTEGER),
  });
}

/** Without the gift's details, a named run tells a streak: counting it by difference is then never too much. */
function isStreak(message: LeanGift): boolean {
  return message.gift ? message.gift.type === STREAK_TYPE : idIfAny(message.groupId) !== undefined;
}

function streak(message: LeanGift, giftId: string, room: RoomScope): CountedGift {
  const step = {
    userId: idIfAny(message.user?.id) ?? '0',
    giftId,
    groupId: message.groupId,
    repeatCount: Math.max(1, count(message.repeatCount)),
    repeatEnd: message.repeatEnd === 1,
  };
  return room.gifts.step(step, room.receivedAt);
}

function single(message: LeanGift, room: RoomScope): CountedGift {
  const gifts = Math.max(1, count(message.repeatCount));
  return { streakId: room.eventId, count: gifts, streakCount: gifts, final: true };
}
