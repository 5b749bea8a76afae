import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { protoOf, SAMPLE_MS, sampleGift, sampleImage, sampleMessage, sampleText, sampleUser, readRecordedFile } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import { chat, like, member, roomUser, social } from '../messages/audience.js';
import { gift } from '../counts/gift.js';
import { leanChat, leanGift, leanLike, leanMember, leanRoomUser, leanSocial } from './lean-messages.js';
import { EventBuilder } from '../event-builder.js';

const RECORDED = join('..', 'shared', 'fixtures', 'recorded');
const NOISE = {
  bioDescription: 'about me',
  secUid: 'MS4w',
  badgeImageList: [sampleImage('https://b.example/1')],
  payScore: '77',
  mintTypeLabel: ['5', '6'],
};

const THUMBS = [
  ['https://p.example/a~tplv-shrink:72:72.webp', 'https://p.example/a~c5_100x100.webp', 'https://p.example/a~c5_100x100.jpeg'],
  ['https://p.example/a~tplv-shrink:72:72.webp'],
  [],
  ['https://p.example/a.webp', 'https://p.example/b.webp'],
];

/** A user with everything that is read, and much that is not. */
function fullUser(n: number): proto.User {
  return sampleUser(n, {
    ...NOISE,
    idStr: String(n),
    verified: n % 2 === 0,
    isSubscribe: n % 3 === 0,
    avatarThumb: protoOf(proto.ImageModel, { urlList: THUMBS[n % THUMBS.length], uri: 'tos/1' }),
    avatarMedium: sampleImage('https://m.example/1~c5_720x720.webp'),
    avatarLarge: sampleImage('https://l.example/1'),
    followInfo: protoOf(proto.FollowInfo, { followStatus: String(n % 4), followerCount: '12', followingCount: '3' }),
    userAttr: protoOf(proto.UserAttr, { isAdmin: n % 5 === 0, isMuted: true, adminPermissions: { 1: 2 } }),
    subscribeInfo: protoOf(proto.SubscribeInfo, { isSubscribedToAnchor: n % 7 === 0, packageId: 'p', isSubscribe: true }),
    badgeList: [1, 4, 7, 8, 10].map((sceneType) =>
      protoOf(proto.BadgeStruct, {
        sceneType,
        displayType: 4,
        openweburl: 'https://x.example',
        privilegeLogExtra: protoOf(proto.PrivilegeLogExtra, { level: String(n), privilegeId: '5', startTime: '9' }),
      }),
    ),
    topFans: [sampleUser(n + 1)],
  });
}

const identity = protoOf(proto.UserIdentity, {
  isGiftGiverOfAnchor: true,
  isSubscriberOfAnchor: true,
  isFollowerOfAnchor: true,
  isModeratorOfAnchor: true,
});
const emotes = [
  { index: 3, emote: protoOf(proto.EmoteModel, { emoteId: '8', image: sampleImage('https://e.example/1'), uuid: 'u', createTime: '5' }) },
];
const samples = Array.from({ length: 12 }, (_, n) => [
  sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, {
    user: fullUser(n),
    content: `comment ${n} äöü 😀`,
    contentLanguage: 'de',
    userIdentity: n % 2 ? identity : undefined,
    atUser: fullUser(n + 1),
    mentionUsers: n % 3 ? [fullUser(n + 2), fullUser(n + 3)] : [],
    emotes,
    fullScreenTextColor: 'red',
    mentionUserList: ['5', '7000000000000000003', '0'],
    screenTime: '12',
  }),
  sampleGift({
    user: fullUser(n),
    toUser: n % 3 === 0 ? undefined : fullUser(n + 1),
    monitorInfo:
      n % 4 === 0 ? undefined : protoOf(proto.GiftMonitorInfo, { anchorId: '900', toUserId: String(900 + (n % 2)), fromVersion: 'v' }),
    toMemberId: n % 2 ? 'x9' : '901',
    toMemberIdInt: n % 5 ? '901' : '0',
    toMemberNickname: 'Guest',
    repeatCount: n,
    comboCount: n,
    repeatEnd: n % 2,
    groupId: String(n % 5),
    userIdentity: identity,
    logId: 'log',
    monitorExtra: '{}',
    gift:
      n === 11
        ? undefined
        : protoOf(proto.Gift, {
            id: '5655',
            type: 1 + (n % 2),
            diamondCount: n,
            name: 'Rose',
            icon: sampleImage('https://g.example/1'),
            describe: 'sent',
          }),
  }),
  sampleMessage('WebcastLikeMessage', proto.WebcastLikeMessage, {
    user: fullUser(n),
    count: n,
    total: String(n * 1_000),
    color: 4,
    effectCnt: '3',
  }),
  sampleMessage('WebcastMemberMessage', proto.WebcastMemberMessage, {
    user: fullUser(n),
    memberCount: n,
    action: n,
    operator: fullUser(n + 1),
    popStr: 'p',
  }),
  sampleMessage(
    'WebcastSocialMessage',
    proto.WebcastSocialMessage,
    { user: fullUser(n), action: String(n), shareTarget: 't', shareType: '1', followCount: '4', shareCount: n, signature: 's' },
    { displayText: sampleText(['', 'follow', 'share', 'other'][n % 4]!, 'pattern'), logId: 'l' },
  ),
  sampleMessage('WebcastRoomUserSeqMessage', proto.WebcastRoomUserSeqMessage, {
    total: String(n),
    totalUser: '100',
    popularity: '7',
    popStr: 'x',
    ranks: [protoOf(proto.Contributor, { rank: '1', score: String(n), delta: '3', user: fullUser(n) })],
    seats: [protoOf(proto.Contributor, { user: fullUser(n) })],
  }),
]).flat();

/** Both decoders with the function that shapes their result. */
const pairs: Record<string, [(payload: Uint8Array, room: EventBuilder) => void, (payload: Uint8Array, room: EventBuilder) => void]> = {
  WebcastChatMessage: [(p, room) => chat(leanChat.decode(p), room), (p, room) => chat(proto.WebcastChatMessage.decode(p), room)],
  WebcastGiftMessage: [(p, room) => gift(leanGift.decode(p), room), (p, room) => gift(proto.WebcastGiftMessage.decode(p), room)],
  WebcastLikeMessage: [(p, room) => like(leanLike.decode(p), room), (p, room) => like(proto.WebcastLikeMessage.decode(p), room)],
  WebcastMemberMessage: [(p, room) => member(leanMember.decode(p), room), (p, room) => member(proto.WebcastMemberMessage.decode(p), room)],
  WebcastSocialMessage: [(p, room) => social(leanSocial.decode(p), room), (p, room) => social(proto.WebcastSocialMessage.decode(p), room)],
  WebcastRoomUserSeqMessage: [
    (p, room) => roomUser(leanRoomUser.decode(p), room),
    (p, room) => roomUser(proto.WebcastRoomUserSeqMessage.decode(p), room),
  ],
};

function shaped(read: (payload: Uint8Array, room: EventBuilder) => void, payload: Uint8Array): string {
  const room = new EventBuilder({ creatorId: 'cr_1', handle: 'host', roomId: '1' }, () => true);
  room.begin('1-2', '2', SAMPLE_MS);
  read(payload, room);
  return JSON.stringify(room.end());
}

describe('decoders that skip what is not shown', () => {
  it.each(Object.entries(pairs))('%s is shaped as with the full decoder', (method, [lean, full]) => {
    const payloads = samples.filter((message) => message.method === method).map(({ payload }) => payload);
    expect(payloads).toHaveLength(12);
    for (const payload of payloads) expect(shaped(lean, payload)).toBe(shaped(full, payload));
  });

  it('recorded payloads are shaped as with the full decoder', async () => {
    if (!existsSync(RECORDED)) return console.log('skipped: no recorded fixtures');
    const files = readdirSync(RECORDED).filter((name) => name.startsWith('EventsCollector_'));
    const recorded = (await Promise.all(files.map((name) => readRecordedFile(join(RECORDED, name))))).flat();
    const unequal = recorded.filter(({ method, payload }) => {
      const pair = pairs[method];
      return pair && shaped(pair[0], payload) !== shaped(pair[1], payload);
    });
    expect(unequal).toHaveLength(0);
  });

  it('the date of a message is read', () => {
    for (const codec of [leanChat, leanGift, leanLike, leanMember, leanSocial, leanRoomUser]) {
      const method = samples[0]!;
      expect(codec.decode(method.payload).common?.createTime).toBe(String(SAMPLE_MS));
    }
  });

  it('a field that is longer than its message is refused', () => {
    expect(() => leanLike.decode(Uint8Array.from([0x2a, 0x7f, 1]))).toThrow(RangeError);
    expect(() => leanLike.decode(Uint8Array.from([0x32, 0x7f, 1]))).toThrow(RangeError);
  });
});
