import type {
  User,
  WebcastBarrageMessage,
  WebcastEmoteChatMessage,
  WebcastQuestionNewMessage,
  WebcastSubNotifyMessage,
} from 'tiktok-live-proto/v3';
import { count, countIfAny, idIfAny, instant } from '../field-values.js';
import type { LeanChat, LeanEmote, LeanLike, LeanMember, LeanRoomUser, LeanSocial } from '../lean/lean-messages.js';
import { type Person, personOf } from './people.js';
import type { EventBuilder } from '../event-builder.js';

export function chat(message: LeanChat, room: EventBuilder): void {
  const { trim } = room;
  room.emit('tiktok.live.chat', {
    user: personOf(trim, message.user, message.userIdentity),
    comment: trim.text(message.content),
    language: trim.textIfAny(message.contentLanguage),
    emotes: trim.listIfAny(message.emotes, ({ index, emote }) => ({ ...emoteOf(room, emote), index: count(index) })),
    mentions: mentionsOf(message, room),
  });
}

/** TikTok sends mentions in three fields, in any of them or in several; the third has ids alone. */
function mentionsOf(message: LeanChat, room: EventBuilder): Person[] | undefined {
  const { trim } = room;
  const users = message.atUser ? [...message.mentionUsers, message.atUser] : message.mentionUsers;
  const people = (trim.listIfAny(users, (user) => personOf(trim, user)) ?? []).filter((person) => person !== undefined);
  const ids = (trim.listIfAny(message.mentionUserList, idIfAny) ?? []).filter((id) => id !== undefined);
  const known = new Set<string>();
  const isNew = ({ id }: Person) => id === undefined || (!known.has(id) && known.add(id));
  return trim.listIfAny([...people, ...ids.map((id) => ({ id }))].filter(isNew), (person) => person);
}

export function like(message: LeanLike, room: EventBuilder): void {
  const added = count(message.count);
  const total = count(message.total);
  room.emit('tiktok.live.like', {
    user: personOf(room.trim, message.user),
    count: added,
    total,
    roomLikes: room.likes.add(added, total),
  });
}

export function member(message: LeanMember, room: EventBuilder): void {
  const code: number = message.action;
  room.emit('tiktok.live.member', {
    user: personOf(room.trim, message.user),
    action: code === 1 ? 'join' : code === 3 ? 'subscribe' : 'other',
    actionCode: count(code),
    memberCount: count(message.memberCount),
  });
}

/** The key of the shown text tells follow from share; the action's code decides where there is no key. */
export function social(message: LeanSocial, room: EventBuilder): void {
  const key = message.common?.displayText?.key ?? '';
  const user = personOf(room.trim, message.user);
  const followCount = countIfAny(message.followCount);
  const shareCount = countIfAny(message.shareCount);
  if (key.includes('follow') || (key === '' && message.action === '1')) {
    room.emit('tiktok.live.follow', { user, followCount });
  } else if (key.includes('share') || (key === '' && message.action === '3')) {
    room.emit('tiktok.live.share', { user, shareCount, target: room.trim.textIfAny(message.shareTarget), joined: joinedBy(key) });
  } else {
    const actionCode = count(message.action);
    room.emit('tiktok.live.social', { user, key: room.trim.textIfAny(key), actionCode, followCount, shareCount });
  }
}

/** A text such as `pm_mt_guidance_viewer_5_share` says how many joined by a share. */
function joinedBy(key: string): number | undefined {
  return countIfAny(/_viewer_(\d{1,9})_share/.exec(key)?.[1]);
}

export function roomUser(message: LeanRoomUser, room: EventBuilder): void {
  const viewers = count(message.total);
  room.state.viewers = viewers;
  room.emit('tiktok.live.roomUser', {
    viewers,
    totalViewers: count(message.totalUser),
    topGifters: room.trim.list(message.ranks, ({ rank, score, user }) => ({
      rank: count(rank),
      score: count(score),
      user: personOf(room.trim, user),
    })),
  });
}

export function question(message: WebcastQuestionNewMessage, room: EventBuilder): void {
  const asked = message.data;
  room.emit('tiktok.live.question', {
    user: personOf(room.trim, asked?.user),
    questionId: idIfAny(asked?.questionId) ?? '0',
    text: room.trim.text(asked?.content ?? ''),
    createdAt: instant(asked?.createTime),
  });
}

export function emote(message: WebcastEmoteChatMessage, room: EventBuilder): void {
  room.emit('tiktok.live.emote', {
    user: personOf(room.trim, message.user, message.userIdentity),
    emotes: room.trim.list(message.emoteList, (one) => emoteOf(room, one)),
  });
}

const NOTICES = new Map<number, 'subscribed' | 'gifted' | 'expiring' | 'goal'>([
  [0, 'subscribed'],
  [2, 'expiring'],
  [3, 'goal'],
  [4, 'goal'],
  [5, 'goal'],
  [6, 'gifted'],
  [7, 'gifted'],
  [8, 'gifted'],
  [9, 'gifted'],
  [10, 'gifted'],
  [11, 'gifted'],
  [12, 'gifted'],
]);

export function subscribe(message: WebcastSubNotifyMessage, room: EventBuilder): void {
  const notice: number = message.messageType;
  const renewal: number = message.subscribeType;
  const previous: number = message.oldSubscribeStatus;
  room.emit('tiktok.live.subscribe', {
    user: personOf(room.trim, message.user),
    months: count(message.subMonth),
    notice: NOTICES.get(notice) ?? 'other',
    noticeCode: count(notice),
    renewal: renewal === 0 ? 'once' : renewal === 1 ? 'auto' : 'other',
    previous: previous === 0 ? 'first' : previous === 1 ? 'again' : previous === 2 || previous === 3 ? 'grace' : 'other',
  });
}

/** Of a super fan who entered the room; the name of the text misleads. */
const SUPER_FAN_ENTERED = 'superfanjoined';
const SUPER_FAN_BECAME = 'becamesuperfan';
const SUPER_FAN_KEYS = ['ttlive_superfan', SUPER_FAN_ENTERED, SUPER_FAN_BECAME];

/** The banner itself, and what it says about super fans, which TikTok sends in no other message. */
export function barrage(message: WebcastBarrageMessage, room: EventBuilder): void {
  const { trim } = room;
  const user = personOf(trim, barrageUser(message));
  const text = message.content ?? message.commonBarrageContent;
  room.emit('tiktok.live.barrage', {
    user,
    kindCode: count(message.msgType),
    key: trim.textIfAny(text?.key),
    text: trim.textIfAny(text?.defaultPattern),
    level: countIfAny(message.userGradeParam?.currentGrade) ?? countIfAny(message.fansLevelParam?.currentGrade),
  });
  superFan([message.content?.key, message.commonBarrageContent?.key, message.common?.displayText?.key], user, room);
}

/** The text that is shown tells a super fan who enters from a viewer who becomes one. */
function superFan(shown: readonly (string | undefined)[], user: Person | undefined, room: EventBuilder): void {
  const keys = shown
    .filter((key) => key !== undefined && SUPER_FAN_KEYS.some((part) => key.toLowerCase().includes(part)))
    .map((key) => room.trim.text(key ?? ''));
  const entered = keys.find((key) => key.toLowerCase().includes(SUPER_FAN_ENTERED));
  const became = keys.find((key) => key.toLowerCase().includes(SUPER_FAN_BECAME));
  const key = entered ?? became ?? keys[0];
  if (key === undefined) return;
  if (entered !== undefined) room.emit('tiktok.live.superFanJoin', { user, key }, 'superFanJoin');
  else room.emit('tiktok.live.superFan', { user, key, notice: became === undefined ? 'other' : 'became' }, 'superFan');
}

/** Whom a banner is about: TikTok puts the user where the kind of banner wants it, or only into its text. */
function barrageUser(message: WebcastBarrageMessage): User | undefined {
  const inText = [message.content, message.commonBarrageContent]
    .flatMap((text) => text?.pieces ?? [])
    .find((piece) => piece.userValue?.user);
  return message.user ?? message.userGradeParam?.user ?? message.fansLevelParam?.user ?? inText?.userValue?.user;
}

function emoteOf(room: EventBuilder, model: LeanEmote | undefined) {
  return { id: idIfAny(model?.emoteId) ?? '0', imageUrl: room.trim.image(model?.image) };
}
