import type {
  User,
  WebcastCaptionMessage,
  WebcastControlMessage,
  WebcastEnvelopeMessage,
  WebcastGoalUpdateMessage,
  WebcastImDeleteMessage,
  WebcastLiveIntroMessage,
  WebcastPollMessage,
  WebcastRoomPinMessage,
} from 'tiktok-live-proto/v3';
import { count, countIfAny, idIfAny, instant, wordOf } from '../field-values.js';
import { personOf } from './people.js';
import type { EventBuilder } from '../event-builder.js';

const CONTROL_ACTIONS = ['other', 'paused', 'resumed', 'ended', 'suspended'] as const;
const ENVELOPE_DISPLAYS = ['other', 'show', 'hide'] as const;
const POLL_PHASES = ['start', 'end', 'update'] as const;
const PIN_ACTIONS = ['other', 'pin', 'unpin'] as const;
const SUPER_FAN_BOX = 19;

/** The control message, and the end of the stream where it is one: the worker's session ends on `room.state.ended`. */
export function control(message: WebcastControlMessage, room: EventBuilder): void {
  const action = wordOf(CONTROL_ACTIONS, message.action);
  const actionCode = count(message.action);
  const { trim, state } = room;
  if (action === 'paused' || action === 'resumed') state.paused = action === 'paused';
  room.emit('tiktok.live.control', {
    action,
    actionCode,
    tips: trim.textIfAny(message.tips),
    reason: trim.textIfAny(message.extra?.violationReason?.defaultPattern),
  });
  if (action !== 'ended' && action !== 'suspended') return;
  state.ended = action;
  room.emit('tiktok.live.streamEnd', { reason: action, actionCode }, 'end');
}

export function envelope(message: WebcastEnvelopeMessage, room: EventBuilder): void {
  const info = message.envelopeInfo;
  const box = {
    envelopeId: idIfAny(info?.envelopeId) ?? '0',
    display: wordOf(ENVELOPE_DISPLAYS, message.display),
    businessCode: count(info?.businessType ?? 0),
    diamonds: count(info?.diamondCount ?? 0),
    people: count(info?.peopleCount ?? 0),
    unpackAt: instant(info?.unpackAt),
    sender: personIfAny(room, info?.sendUserId, undefined, info?.sendUserName, info?.sendUserAvatar),
  };
  room.emit('tiktok.live.envelope', box);
  const key = message.common?.displayText?.key.toLowerCase() ?? '';
  if (key.includes('ttlive_superfanbox') || box.businessCode === SUPER_FAN_BOX) {
    room.emit('tiktok.live.superFanBox', { ...box, superFans: count(info?.superFanCount ?? 0) }, 'superFanBox');
  }
}

export function caption(message: WebcastCaptionMessage, room: EventBuilder): void {
  room.emit('tiktok.live.caption', {
    at: instant(message.timestampMs),
    durationMs: count(message.durationMs),
    definite: message.definite,
    sentenceId: idIfAny(message.sentenceId) ?? '0',
    texts: room.trim.list(message.content, ({ lang, content }) => ({ language: room.trim.text(lang), text: room.trim.text(content) })),
  });
}

export function goalUpdate(message: WebcastGoalUpdateMessage, room: EventBuilder): void {
  const { trim } = room;
  const { goal } = message;
  room.emit('tiktok.live.goalUpdate', {
    goalId: idIfAny(goal?.id) ?? idIfAny(goal?.idStr) ?? '0',
    description: trim.textIfAny(goal?.description),
    statusCode: count(goal?.status ?? 0),
    subGoals: trim.list(goal?.subGoals ?? [], ({ id, idStr, progress, target, gift }) => ({
      id: idIfAny(id) ?? idIfAny(idStr) ?? '0',
      progress: count(progress),
      target: count(target),
      gift: trim.textIfAny(gift?.name),
    })),
    contributor: personIfAny(
      room,
      idIfAny(message.contributorId) ?? message.contributorIdStr,
      message.contributorDisplayId,
      undefined,
      message.contributorAvatar,
    ),
    contribution: countIfAny(message.contributeCount),
    score: countIfAny(message.contributeScore),
  });
}

export function poll(message: WebcastPollMessage, room: EventBuilder): void {
  const { trim } = room;
  const { startContent: start, endContent: end, updateVotesContent: update, pollBasicInfo: basics } = message;
  const options = (start ?? end ?? update)?.optionList ?? [];
  room.emit('tiktok.live.poll', {
    pollId: idIfAny(message.pollId) ?? idIfAny(basics?.pollIdStr) ?? '0',
    phase: wordOf(POLL_PHASES, Number(message.messageType)),
    title: trim.textIfAny(start?.title) ?? trim.textIfAny(basics?.title),
    kindCode: count(message.pollKind),
    startedAt: instant(start?.startTime),
    endsAt: instant(start?.endTime),
    options: trim.list(options, ({ optionIdx, displayContent, votes }) => ({
      index: count(optionIdx),
      text: trim.text(displayContent),
      votes: count(votes),
    })),
    operator: personOf(trim, (start ?? end ?? update)?.operator),
  });
}

/** Wire names that can be pinned, and the event type each of them is. */
const PINNED_TYPES = new Map([
  ['WebcastChatMessage', 'tiktok.live.chat'],
  ['WebcastGiftMessage', 'tiktok.live.gift'],
  ['WebcastLikeMessage', 'tiktok.live.like'],
  ['WebcastMemberMessage', 'tiktok.live.member'],
  ['WebcastSocialMessage', 'tiktok.live.social'],
]);

export function roomPin(message: WebcastRoomPinMessage, room: EventBuilder): void {
  const { trim } = room;
  const { chatMessage, giftMessage } = message;
  const pinned: { user?: User } | undefined =
    chatMessage ?? giftMessage ?? message.memberMessage ?? message.socialMessage ?? message.likeMessage;
  room.emit('tiktok.live.roomPin', {
    action: wordOf(PIN_ACTIONS, message.action),
    pinnedId: idIfAny(message.pinMsgId) ?? '0',
    pinnedType: PINNED_TYPES.get(message.method),
    pinnedAt: instant(message.pinTime),
    durationSeconds: count(message.displayDuration),
    operator: personOf(trim, message.operator),
    user: personOf(trim, pinned?.user, (chatMessage ?? giftMessage)?.userIdentity),
    comment: trim.textIfAny(chatMessage?.content),
    giftId: idIfAny(giftMessage?.giftId),
    giftName: trim.textIfAny(giftMessage?.gift?.name),
  });
}

export function imDelete(message: WebcastImDeleteMessage, room: EventBuilder): void {
  const ids = (values: readonly string[]) => room.trim.list(values, idIfAny).filter((id) => id !== undefined);
  room.emit('tiktok.live.imDelete', { messageIds: ids(message.deleteMsgIds), userIds: ids(message.deleteUserIds) });
}

export function liveIntro(message: WebcastLiveIntroMessage, room: EventBuilder): void {
  room.emit('tiktok.live.liveIntro', {
    user: personOf(room.trim, message.user),
    text: room.trim.text(message.content),
    language: room.trim.textIfAny(message.contentLanguage),
  });
}

/** Someone of whom the message says little; undefined where it does not even say the id. */
function personIfAny(
  { trim }: EventBuilder,
  userId: string | undefined,
  uniqueId: string | undefined,
  nickname: string | undefined,
  avatar: Parameters<typeof trim.image>[0],
) {
  const id = idIfAny(userId);
  if (id === undefined) return undefined;
  return { id, uniqueId: trim.textIfAny(uniqueId), nickname: trim.textIfAny(nickname), avatarUrl: trim.image(avatar) };
}
