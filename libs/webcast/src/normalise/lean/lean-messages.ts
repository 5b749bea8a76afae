import type * as proto from 'tiktok-live-proto/v3';
import { ADDRESSES_MAX, hasBest, type Picture } from '../messages/pictures.js';
import { delimited, int64, type LeanCodec, lean, nested, packedInt64, varint } from './lean-codec.js';

/** Ids of mentioned users that are kept; an event has a tenth of them. */
const MENTIONS_MAX = 1_000;

export interface LeanCommon {
  createTime: string;
  displayText?: { key: string };
}
export type LeanIdentity = Pick<
  proto.UserIdentity,
  'isSubscriberOfAnchor' | 'isMutualFollowingWithAnchor' | 'isFollowerOfAnchor' | 'isModeratorOfAnchor'
>;
export interface LeanUser extends Pick<proto.User, 'id' | 'idStr' | 'displayId' | 'nickname' | 'verified' | 'isSubscribe'> {
  avatarThumb: Picture | undefined;
  avatarMedium: Picture | undefined;
  avatarLarge: Picture | undefined;
  followInfo: { followStatus: string } | undefined;
  userAttr: { isAdmin: boolean } | undefined;
  subscribeInfo: { isSubscribedToAnchor: boolean } | undefined;
  badgeList: { sceneType: number; privilegeLogExtra: { level: string } | undefined }[];
}
interface LeanMessage {
  common: LeanCommon | undefined;
}
interface LeanUserMessage extends LeanMessage {
  user: LeanUser | undefined;
}
export interface LeanEmote {
  emoteId: string;
  image: Picture | undefined;
}
export interface LeanChat extends LeanUserMessage, Pick<proto.WebcastChatMessage, 'content' | 'contentLanguage'> {
  userIdentity: LeanIdentity | undefined;
  atUser: LeanUser | undefined;
  mentionUsers: LeanUser[];
  mentionUserList: string[];
  emotes: { index: number; emote: LeanEmote | undefined }[];
}
export type LeanLike = LeanUserMessage & Pick<proto.WebcastLikeMessage, 'count' | 'total'>;
export type LeanMember = LeanUserMessage & Pick<proto.WebcastMemberMessage, 'memberCount'> & { action: number };
export type LeanSocial = LeanUserMessage & Pick<proto.WebcastSocialMessage, 'action' | 'shareTarget' | 'followCount' | 'shareCount'>;
export interface LeanRoomUser extends LeanMessage, Pick<proto.WebcastRoomUserSeqMessage, 'total' | 'totalUser'> {
  ranks: { score: string; rank: string; user: LeanUser | undefined }[];
}
export interface LeanGift
  extends
    LeanUserMessage,
    Pick<
      proto.WebcastGiftMessage,
      'giftId' | 'groupId' | 'repeatCount' | 'repeatEnd' | 'toMemberId' | 'toMemberIdInt' | 'toMemberNickname'
    > {
  toUser: LeanUser | undefined;
  monitorInfo: { anchorId: string; toUserId: string } | undefined;
  userIdentity: LeanIdentity | undefined;
  gift: (Pick<proto.Gift, 'id' | 'type' | 'diamondCount' | 'name'> & { image: Picture | undefined; icon: Picture | undefined }) | undefined;
}

const common = lean<LeanCommon>(() => ({ createTime: '0' }), {
  [varint(4)]: (message, reader) => void (message.createTime = int64(reader)),
});

const text = lean(() => ({ key: '' }), { [delimited(1)]: (message, reader) => void (message.key = reader.text()) });
const commonWithText = lean<LeanCommon>(() => ({ createTime: '0' }), {
  [varint(4)]: (message, reader) => void (message.createTime = int64(reader)),
  [delimited(8)]: (message, reader) => void (message.displayText = nested(text, reader)),
});

/** Addresses up to the first that is as good as any; the others lead to the same picture. */
const image = lean<Picture>(() => ({ urlList: [] }), {
  [delimited(1)]: (message, reader) => {
    if (hasBest(message) || message.urlList.length >= ADDRESSES_MAX) reader.skip(2);
    else message.urlList.push(reader.text());
  },
});

const identity = lean<LeanIdentity>(
  () => ({ isSubscriberOfAnchor: false, isMutualFollowingWithAnchor: false, isFollowerOfAnchor: false, isModeratorOfAnchor: false }),
  {
    [varint(2)]: (message, reader) => void (message.isSubscriberOfAnchor = reader.bool()),
    [varint(3)]: (message, reader) => void (message.isMutualFollowingWithAnchor = reader.bool()),
    [varint(4)]: (message, reader) => void (message.isFollowerOfAnchor = reader.bool()),
    [varint(5)]: (message, reader) => void (message.isModeratorOfAnchor = reader.bool()),
  },
);

const followInfo = lean(() => ({ followStatus: '0' }), { [varint(3)]: (message, reader) => void (message.followStatus = int64(reader)) });
const userAttr = lean(() => ({ isAdmin: false }), { [varint(2)]: (message, reader) => void (message.isAdmin = reader.bool()) });
const subscribeInfo = lean(() => ({ isSubscribedToAnchor: false }), {
  [varint(7)]: (message, reader) => void (message.isSubscribedToAnchor = reader.bool()),
});
const privilege = lean(() => ({ level: '' }), { [delimited(5)]: (message, reader) => void (message.level = reader.text()) });
const badge = lean<LeanUser['badgeList'][number]>(() => ({ sceneType: 0, privilegeLogExtra: undefined }), {
  [varint(3)]: (message, reader) => void (message.sceneType = reader.int32()),
  [delimited(12)]: (message, reader) => void (message.privilegeLogExtra = nested(privilege, reader)),
});

const user = lean<LeanUser>(
  () => ({
    id: '0',
    idStr: '',
    displayId: '',
    nickname: '',
    verified: false,
    isSubscribe: false,
    avatarThumb: undefined,
    avatarMedium: undefined,
    avatarLarge: undefined,
    followInfo: undefined,
    userAttr: undefined,
    subscribeInfo: undefined,
    badgeList: [],
  }),
  {
    [varint(1)]: (message, reader) => void (message.id = int64(reader)),
    [delimited(3)]: (message, reader) => void (message.nickname = reader.text()),
    [delimited(9)]: (message, reader) => void (message.avatarThumb = nested(image, reader)),
    [delimited(10)]: (message, reader) => {
      if (hasBest(message.avatarThumb)) reader.skip(2);
      else message.avatarMedium = nested(image, reader);
    },
    [delimited(11)]: (message, reader) => {
      if (hasBest(message.avatarThumb)) reader.skip(2);
      else message.avatarLarge = nested(image, reader);
    },
    [varint(12)]: (message, reader) => void (message.verified = reader.bool()),
    [delimited(22)]: (message, reader) => void (message.followInfo = nested(followInfo, reader)),
    [delimited(32)]: (message, reader) => void (message.userAttr = nested(userAttr, reader)),
    [delimited(38)]: (message, reader) => void (message.displayId = reader.text()),
    [delimited(63)]: (message, reader) => void (message.subscribeInfo = nested(subscribeInfo, reader)),
    [delimited(64)]: (message, reader) => void message.badgeList.push(nested(badge, reader)),
    [delimited(1028)]: (message, reader) => void (message.idStr = reader.text()),
    [varint(1090)]: (message, reader) => void (message.isSubscribe = reader.bool()),
  },
);

const emote = lean<LeanEmote>(() => ({ emoteId: '', image: undefined }), {
  [delimited(1)]: (message, reader) => void (message.emoteId = reader.text()),
  [delimited(2)]: (message, reader) => void (message.image = nested(image, reader)),
});
const placedEmote = lean<LeanChat['emotes'][number]>(() => ({ index: 0, emote: undefined }), {
  [varint(1)]: (message, reader) => void (message.index = reader.int32()),
  [delimited(2)]: (message, reader) => void (message.emote = nested(emote, reader)),
});

export const leanChat: LeanCodec<LeanChat> = lean<LeanChat>(
  () => ({
    common: undefined,
    user: undefined,
    content: '',
    contentLanguage: '',
    userIdentity: undefined,
    atUser: undefined,
    mentionUsers: [],
    mentionUserList: [],
    emotes: [],
  }),
  {
    [delimited(1)]: (message, reader) => void (message.common = nested(common, reader)),
    [delimited(2)]: (message, reader) => void (message.user = nested(user, reader)),
    [delimited(3)]: (message, reader) => void (message.content = reader.text()),
    [delimited(12)]: (message, reader) => void (message.atUser = nested(user, reader)),
    [delimited(13)]: (message, reader) => void message.emotes.push(nested(placedEmote, reader)),
    [delimited(14)]: (message, reader) => void (message.contentLanguage = reader.text()),
    [delimited(18)]: (message, reader) => void (message.userIdentity = nested(identity, reader)),
    [varint(27)]: (message, reader) => void message.mentionUserList.push(int64(reader)),
    [delimited(27)]: (message, reader) => packedInt64(message.mentionUserList, MENTIONS_MAX, reader),
    [delimited(28)]: (message, reader) => void message.mentionUsers.push(nested(user, reader)),
  },
);

export const leanLike: LeanCodec<LeanLike> = lean<LeanLike>(() => ({ common: undefined, user: undefined, count: 0, total: '0' }), {
  [delimited(1)]: (message, reader) => void (message.common = nested(common, reader)),
  [varint(2)]: (message, reader) => void (message.count = reader.int32()),
  [varint(3)]: (message, reader) => void (message.total = int64(reader)),
  [delimited(5)]: (message, reader) => void (message.user = nested(user, reader)),
});

export const leanMember: LeanCodec<LeanMember> = lean<LeanMember>(
  () => ({ common: undefined, user: undefined, memberCount: 0, action: 0 }),
  {
    [delimited(1)]: (message, reader) => void (message.common = nested(common, reader)),
    [delimited(2)]: (message, reader) => void (message.user = nested(user, reader)),
    [varint(3)]: (message, reader) => void (message.memberCount = reader.int32()),
    [varint(10)]: (message, reader) => void (message.action = reader.int32()),
  },
);

export const leanSocial: LeanCodec<LeanSocial> = lean<LeanSocial>(
  () => ({ common: undefined, user: undefined, action: '0', shareTarget: '', followCount: '0', shareCount: 0 }),
  {
    [delimited(1)]: (message, reader) => void (message.common = nested(commonWithText, reader)),
    [delimited(2)]: (message, reader) => void (message.user = nested(user, reader)),
    [varint(4)]: (message, reader) => void (message.action = int64(reader)),
    [delimited(5)]: (message, reader) => void (message.shareTarget = reader.text()),
    [varint(6)]: (message, reader) => void (message.followCount = int64(reader)),
    [varint(8)]: (message, reader) => void (message.shareCount = reader.int32()),
  },
);

const rank = lean<LeanRoomUser['ranks'][number]>(() => ({ score: '0', rank: '0', user: undefined }), {
  [varint(1)]: (message, reader) => void (message.score = int64(reader)),
  [delimited(2)]: (message, reader) => void (message.user = nested(user, reader)),
  [varint(3)]: (message, reader) => void (message.rank = int64(reader)),
});
export const leanRoomUser: LeanCodec<LeanRoomUser> = lean<LeanRoomUser>(
  () => ({ common: undefined, ranks: [], total: '0', totalUser: '0' }),
  {
    [delimited(1)]: (message, reader) => void (message.common = nested(common, reader)),
    [delimited(2)]: (message, reader) => void message.ranks.push(nested(rank, reader)),
    [varint(3)]: (message, reader) => void (message.total = int64(reader)),
    [varint(7)]: (message, reader) => void (message.totalUser = int64(reader)),
  },
);

const giftDetails = lean<NonNullable<LeanGift['gift']>>(
  () => ({ id: '0', type: 0, diamondCount: 0, name: '', image: undefined, icon: undefined }),
  {
    [delimited(1)]: (message, reader) => void (message.image = nested(image, reader)),
    [varint(5)]: (message, reader) => void (message.id = int64(reader)),
    [varint(11)]: (message, reader) => void (message.type = reader.int32()),
    [varint(12)]: (message, reader) => void (message.diamondCount = reader.int32()),
    [delimited(16)]: (message, reader) => void (message.name = reader.text()),
    [delimited(21)]: (message, reader) => void (message.icon = nested(image, reader)),
  },
);
const monitorInfo = lean(() => ({ anchorId: '0', toUserId: '0' }), {
  [varint(1)]: (message, reader) => void (message.anchorId = int64(reader)),
  [varint(8)]: (message, reader) => void (message.toUserId = int64(reader)),
});
export const leanGift: LeanCodec<LeanGift> = lean<LeanGift>(
  () => ({
    common: undefined,
    user: undefined,
    toUser: undefined,
    monitorInfo: undefined,
    userIdentity: undefined,
    gift: undefined,
    giftId: '0',
    groupId: '0',
    repeatCount: 0,
    repeatEnd: 0,
    toMemberId: '',
    toMemberIdInt: '0',
    toMemberNickname: '',
  }),
  {
    [delimited(1)]: (message, reader) => void (message.common = nested(common, reader)),
    [varint(2)]: (message, reader) => void (message.giftId = int64(reader)),
    [varint(5)]: (message, reader) => void (message.repeatCount = reader.int32()),
    [delimited(7)]: (message, reader) => void (message.user = nested(user, reader)),
    [delimited(8)]: (message, reader) => void (message.toUser = nested(user, reader)),
    [varint(9)]: (message, reader) => void (message.repeatEnd = reader.int32()),
    [varint(11)]: (message, reader) => void (message.groupId = int64(reader)),
    [delimited(15)]: (message, reader) => void (message.gift = nested(giftDetails, reader)),
    [delimited(23)]: (message, reader) => void (message.monitorInfo = nested(monitorInfo, reader)),
    [delimited(32)]: (message, reader) => void (message.userIdentity = nested(identity, reader)),
    [delimited(45)]: (message, reader) => void (message.toMemberId = reader.text()),
    [varint(46)]: (message, reader) => void (message.toMemberIdInt = int64(reader)),
    [delimited(47)]: (message, reader) => void (message.toMemberNickname = reader.text()),
  },
);
