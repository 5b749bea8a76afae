import { count, countIfAny, idIfAny } from '../field-values.js';
import { receiverOf } from './gift-receiver.js';
import type { CountedGift } from './gift-streaks.js';
import type { LeanGift } from '../lean/lean-messages.js';
import { personOf, userIdOf } from '../messages/people.js';
import type { EventBuilder } from '../event-builder.js';

/** TikTok's type of gifts that come in streaks. */
const STREAK_TYPE = 1;

export function gift(message: LeanGift, room: EventBuilder): void {
  const { trim } = room;
  const details = message.gift;
  const giftId = idIfAny(message.giftId) ?? idIfAny(details?.id) ?? '0';
  const price = priceOf(message, giftId, room);
  const user = personOf(trim, message.user, message.userIdentity);
  const toUser = receiverOf(message, room);
  const name = trim.text(details?.name ?? '');
  const imageUrl = trim.image(details?.image, details?.icon);
  // Counting changes the room's state, so it comes after all steps that a malformed payload could make throw.
  const counted = isStreak(message) ? streak(message, giftId, toUser?.id, room) : single(message, room);
  room.emit('tiktok.live.gift', {
    user,
    toUser,
    giftId,
    name,
    imageUrl,
    diamonds: price.diamonds,
    priceLearnt: price.isLearnt || undefined,
    unpriced: price.diamonds === undefined || undefined,
    streakId: counted.streakId,
    count: counted.count,
    streakCount: counted.streakCount,
    final: counted.final,
    totalDiamonds: price.diamonds === undefined ? undefined : Math.min(counted.count * price.diamonds, Number.MAX_SAFE_INTEGER),
  });
}

/** The price in the message, else the last known price of this gift. No gift is free: 0 means that the price is missing. */
function priceOf(message: LeanGift, giftId: string, room: EventBuilder): { diamonds?: number; isLearnt?: boolean } {
  const diamonds = countIfAny(message.gift?.diamondCount);
  if (giftId === '0') return { diamonds };
  if (diamonds === undefined) {
    const learnt = room.prices.of(giftId);
    return { diamonds: learnt, isLearnt: learnt !== undefined };
  }
  room.prices.learn(giftId, diamonds);
  return { diamonds };
}

/** Without the gift's details, a group id means a streak: counting by difference is then never too much. */
function isStreak(message: LeanGift): boolean {
  return message.gift ? message.gift.type === STREAK_TYPE : idIfAny(message.groupId) !== undefined;
}

function streak(message: LeanGift, giftId: string, receiverId: string | undefined, room: EventBuilder): CountedGift {
  const step = {
    userId: (message.user && userIdOf(message.user)) ?? '0',
    giftId,
    receiverId,
    groupId: message.groupId,
    repeatCount: Math.max(1, count(message.repeatCount)),
    repeatEnd: message.repeatEnd === 1,
  };
  return room.gifts.step(step, room.receivedAt);
}

function single(message: LeanGift, room: EventBuilder): CountedGift {
  const gifts = Math.max(1, count(message.repeatCount));
  return { streakId: room.eventId, count: gifts, streakCount: gifts, final: true };
}
