import { idIfAny } from '../field-values.js';
import type { LeanGift } from '../lean/lean-messages.js';
import { type Person, personOf } from '../messages/people.js';
import type { EventBuilder } from '../event-builder.js';

const DECIMAL = /^\d{1,20}$/;

/** The guest who received a gift; undefined for a gift to the host, and for a message without a receiver. */
export function receiverOf(message: LeanGift, room: EventBuilder): Person | undefined {
  const { monitorInfo } = message;
  const isHost = (id: string, uniqueId?: string) => id === idIfAny(monitorInfo?.anchorId) || room.isHost(id, uniqueId);
  const person = personOf(room.trim, message.toUser);
  if (person?.id !== undefined && !isHost(person.id, person.uniqueId)) return person;
  const member = memberId(message);
  const id = [idIfAny(monitorInfo?.toUserId), member].find((one) => one !== undefined && !isHost(one));
  if (id === undefined) return undefined;
  return id === member ? { id, nickname: room.trim.textIfAny(message.toMemberNickname) } : { id };
}

/** The text may be another kind of id, which says nothing outside of TikTok. */
function memberId({ toMemberId, toMemberIdInt }: LeanGift): string | undefined {
  return idIfAny(toMemberIdInt) ?? (DECIMAL.test(toMemberId) ? idIfAny(toMemberId) : undefined);
}
