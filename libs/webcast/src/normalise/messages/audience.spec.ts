import { describe, expect, it } from '@jest/globals';
import { protoOf, SAMPLE_ROOM, SAMPLE_SECONDS, sampleGift, sampleImage, sampleMessage, sampleText, sampleUser } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import { dataOf, eventsOf, SAMPLE_TIME, viewer } from '../../testing/sample-events.js';

describe('what viewers do', () => {
  it('chat: user with the relation to the host, comment, emotes with their place, mentions', () => {
    const message = sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, {
      user: sampleUser(1, {
        badgeList: [
          protoOf(proto.BadgeStruct, { sceneType: 8, privilegeLogExtra: protoOf(proto.PrivilegeLogExtra, { level: '21' }) }),
          protoOf(proto.BadgeStruct, { sceneType: 10, privilegeLogExtra: protoOf(proto.PrivilegeLogExtra, { level: '4' }) }),
        ],
      }),
      userIdentity: protoOf(proto.UserIdentity, { isModeratorOfAnchor: true, isMutualFollowingWithAnchor: true }),
      content: 'hello there',
      contentLanguage: 'en',
      emotes: [{ index: 5, emote: protoOf(proto.EmoteModel, { emoteId: '42', image: sampleImage('https://e.example/1') }) }],
      mentionUsers: [sampleUser(2)],
    });
    expect(dataOf(message, 'tiktok.live.chat')).toEqual({
      user: { ...viewer, isModerator: true, isSubscriber: false, followRole: 2, gifterLevel: 21, fanLevel: 4 },
      comment: 'hello there',
      language: 'en',
      emotes: [{ id: '42', index: 5, imageUrl: 'https://e.example/1' }],
      mentions: [
        {
          ...viewer,
          id: '7000000000000000002',
          uniqueId: 'viewer.2',
          nickname: 'Viewer 2',
          avatarUrl: 'https://p16.example/avatar-2.webp',
        },
      ],
    });
  });

  it('chat: mentions are those of all fields, each user once', () => {
    const mentions = (parts: Partial<proto.WebcastChatMessage>) =>
      dataOf(sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, { content: '@x', ...parts }), 'tiktok.live.chat');
    const bare = (id: string) => protoOf(proto.User, { id });
    expect(mentions({ atUser: bare('2') })).toMatchObject({ mentions: [{ id: '2' }] });
    expect(mentions({ mentionUserList: ['4', '0', '7000000000000000001'] })).toMatchObject({
      mentions: [{ id: '4' }, { id: '7000000000000000001' }],
    });
    const all = { mentionUsers: [sampleUser(1)], atUser: bare('2'), mentionUserList: ['7000000000000000001', '2', '3', '3'] };
    expect(mentions(all)).toMatchObject({ mentions: [viewer, { id: '2' }, { id: '3' }] });
    const nobodies = { mentionUsers: [protoOf(proto.User, { nickname: 'A' }), protoOf(proto.User, { nickname: 'B' })] };
    expect(mentions(nobodies)).toMatchObject({ mentions: [{ nickname: 'A' }, { nickname: 'B' }] });
    expect(mentions({})).not.toHaveProperty('mentions.0');
  });

  it('a user whose id is not said has none', () => {
    const user = (parts: Partial<proto.User>) =>
      (
        dataOf(sampleMessage('WebcastLikeMessage', proto.WebcastLikeMessage, { user: protoOf(proto.User, parts) }), 'tiktok.live.like') as {
          user: object;
        }
      ).user;
    expect(user({ id: '0', nickname: 'A' })).toMatchObject({ id: undefined, nickname: 'A' });
    expect(user({ id: '0', idStr: '17' })).toMatchObject({ id: '17' });
  });

  it('a user says nothing that the payload does not hold', () => {
    const message = sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, { user: protoOf(proto.User, { id: '9' }), content: 'x' });
    expect(dataOf(message, 'tiktok.live.chat')).toEqual({ user: { id: '9' }, comment: 'x' });
  });

  it('gift: a single gift is a run of its own', () => {
    const message = sampleGift(
      { giftId: '7934', groupId: '0', repeatCount: 3, toUser: sampleUser(9) },
      { id: '7934', type: 2, diamondCount: 99, name: 'Cap' },
    );
    expect(dataOf(message, 'tiktok.live.gift')).toMatchObject({
      user: viewer,
      toUser: { id: '7000000000000000009' },
      giftId: '7934',
      name: 'Cap',
      diamonds: 99,
      streakId: `${SAMPLE_ROOM}-${message.msgId}`,
      count: 3,
      streakCount: 3,
      final: true,
      totalDiamonds: 297,
    });
  });

  it('gift: a streak names its run and is open until its end', () => {
    expect(dataOf(sampleGift({ repeatCount: 4 }), 'tiktok.live.gift')).toMatchObject({
      streakId: '1795341599000-7000000000000000001-5655',
      count: 4,
      streakCount: 4,
      final: false,
      totalDiamonds: 20,
    });
  });

  it('like: count, total and roomLikes', () => {
    const message = sampleMessage('WebcastLikeMessage', proto.WebcastLikeMessage, { user: sampleUser(1), count: 15, total: '414892' });
    expect(dataOf(message, 'tiktok.live.like')).toEqual({ user: viewer, count: 15, total: 414_892, roomLikes: 414_892 });
  });

  it('member: joins, subscriptions and codes that are not known', () => {
    const member = (action: number) =>
      dataOf(
        sampleMessage('WebcastMemberMessage', proto.WebcastMemberMessage, { user: sampleUser(1), action, memberCount: 12 }),
        'tiktok.live.member',
      );
    expect(member(1)).toEqual({ user: viewer, action: 'join', actionCode: 1, memberCount: 12 });
    expect(member(3)).toMatchObject({ action: 'subscribe' });
    expect(member(77)).toMatchObject({ action: 'other', actionCode: 77 });
  });

  it.each([
    ['pm_main_follow_message_viewer_2', 'tiktok.live.follow', { followCount: 120 }],
    ['pm_mt_guidance_share', 'tiktok.live.share', { shareCount: 7, target: '1' }],
    ['pm_mt_guidance_viewer_10_share', 'tiktok.live.share', { shareCount: 7, target: '1', joined: 10 }],
    ['pm_something_else', 'tiktok.live.social', { key: 'pm_something_else', actionCode: 9, followCount: 120, shareCount: 7 }],
  ] as const)('social message with the key %s is %s', (key, type, expected) => {
    const parts = { user: sampleUser(1), action: '9', shareTarget: '1', followCount: '120', shareCount: 7 };
    const message = sampleMessage('WebcastSocialMessage', proto.WebcastSocialMessage, parts, { displayText: sampleText(key) });
    const events = eventsOf(message);
    expect(events.map((event) => event.type)).toEqual([type]);
    expect(events[0]?.data).toEqual({ user: viewer, ...expected });
  });

  it('social message without a key goes by its action', () => {
    const of1 = sampleMessage('WebcastSocialMessage', proto.WebcastSocialMessage, { action: '1' });
    const of3 = sampleMessage('WebcastSocialMessage', proto.WebcastSocialMessage, { action: '3' });
    expect([...eventsOf(of1), ...eventsOf(of3)].map(({ type }) => type)).toEqual(['tiktok.live.follow', 'tiktok.live.share']);
  });

  it('roomUser: viewers now, viewers so far, gifters in their order', () => {
    const message = sampleMessage('WebcastRoomUserSeqMessage', proto.WebcastRoomUserSeqMessage, {
      total: '321',
      totalUser: '45678',
      ranks: [
        protoOf(proto.Contributor, { rank: '1', score: '900', user: sampleUser(1) }),
        protoOf(proto.Contributor, { rank: '2', score: '50' }),
      ],
    });
    expect(dataOf(message, 'tiktok.live.roomUser')).toEqual({
      viewers: 321,
      totalViewers: 45_678,
      topGifters: [
        { rank: 1, score: 900, user: viewer },
        { rank: 2, score: 50, user: undefined },
      ],
    });
  });

  it('question, emote, liveIntro', () => {
    const question = protoOf(proto.Question, {
      questionId: '31',
      content: 'why?',
      createTime: String(SAMPLE_SECONDS),
      user: sampleUser(1),
    });
    expect(
      dataOf(sampleMessage('WebcastQuestionNewMessage', proto.WebcastQuestionNewMessage, { data: question }), 'tiktok.live.question'),
    ).toEqual({
      user: viewer,
      questionId: '31',
      text: 'why?',
      createdAt: SAMPLE_TIME,
    });
    const emoteList = [protoOf(proto.EmoteModel, { emoteId: '42', image: sampleImage('https://e.example/1') })];
    const emote = sampleMessage('WebcastEmoteChatMessage', proto.WebcastEmoteChatMessage, { user: sampleUser(1), emoteList });
    expect(dataOf(emote, 'tiktok.live.emote')).toEqual({ user: viewer, emotes: [{ id: '42', imageUrl: 'https://e.example/1' }] });
    const intro = sampleMessage('WebcastLiveIntroMessage', proto.WebcastLiveIntroMessage, { user: sampleUser(1), content: 'welcome' });
    expect(dataOf(intro, 'tiktok.live.liveIntro')).toMatchObject({ user: viewer, text: 'welcome' });
  });

  it('subscribe: months, notice, renewal, previous state', () => {
    const parts = { user: sampleUser(1), subMonth: '3', subscribeType: 1, oldSubscribeStatus: 1, messageType: 0 };
    expect(dataOf(sampleMessage('WebcastSubNotifyMessage', proto.WebcastSubNotifyMessage, parts), 'tiktok.live.subscribe')).toEqual({
      user: viewer,
      months: 3,
      notice: 'subscribed',
      noticeCode: 0,
      renewal: 'auto',
      previous: 'again',
    });
  });

  it('barrage stays one, and brings superFan or superFanJoin with an id of its own', () => {
    const banner = (key: string) =>
      sampleMessage('WebcastBarrageMessage', proto.WebcastBarrageMessage, {
        content: sampleText(key, '{0} is a super fan'),
        userGradeParam: protoOf(proto.BarrageTypeUserGradeParam, { currentGrade: 28, user: sampleUser(1) }),
        msgType: 9,
      });
    const joined = banner('ttlive_superFan_commentNotif_superFanJoined');
    expect(eventsOf(joined).map(({ id, type }) => [id, type])).toEqual([
      [`${SAMPLE_ROOM}-${joined.msgId}`, 'tiktok.live.barrage'],
      [`${SAMPLE_ROOM}-${joined.msgId}-superFanJoin`, 'tiktok.live.superFanJoin'],
    ]);
    expect(eventsOf(joined)[0]?.data).toMatchObject({ user: viewer, kindCode: 9, level: 28, text: '{0} is a super fan' });
    const became = eventsOf(banner('ttlive_superFan_commentNotif_someoneBecameSuperFan'));
    expect(became.map(({ type }) => type)).toEqual(['tiktok.live.barrage', 'tiktok.live.superFan']);
    expect(became[1]?.data).toMatchObject({ user: viewer, notice: 'became' });
    expect(eventsOf(banner('ttlive_superFan_level'))[1]?.data).toMatchObject({ notice: 'other' });
    expect(eventsOf(banner('ttlive_superFan_level')).map(({ type }) => type)).toEqual(['tiktok.live.barrage', 'tiktok.live.superFan']);
    expect(eventsOf(banner('pm_mt_alp_join_animation')).map(({ type }) => type)).toEqual(['tiktok.live.barrage']);
  });
});
