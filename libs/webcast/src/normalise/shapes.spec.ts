import { describe, expect, it } from '@jest/globals';
import type { TSchema } from '@sinclair/typebox';
import { dataProblems, dataSchema, type EventDraft, type EventType, isEventType } from '@tributary/events';
import * as proto from 'tiktok-live-proto/v3';
import type { WireMessage } from '../wire.js';
import { MAPPED_TYPES, WIRE_RULES } from './mapping.js';
import { RoomNormaliser } from './normaliser.js';
import { of, SAMPLE_MS, SAMPLE_ROOM, SAMPLE_SECONDS, sampleGift, sampleImage, sampleMessage, sampleText, sampleUser } from './samples.js';

const SAMPLE_TIME = new Date(SAMPLE_MS).toISOString();

/** Fields that the catalog does not name. */
function undocumented(schema: TSchema, value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((one, n) => undocumented(schema.items, one, `${path}/${n}`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const field: TSchema | undefined = schema.properties?.[name];
    return field ? undocumented(field, inner, `${path}/${name}`) : [`${path}/${name}`];
  });
}

/** Normalises one message in a new room, and holds each event against the catalog. */
function eventsOf(message: WireMessage): EventDraft[] {
  const room = new RoomNormaliser({ creatorId: 'cr_1', handle: 'host', roomId: SAMPLE_ROOM });
  const drafts = room.normalise(message, SAMPLE_MS + 150);
  for (const { type, data } of drafts) {
    if (!isEventType(type)) throw new Error(`${type} is not in the catalog`);
    const stored: unknown = JSON.parse(JSON.stringify(data));
    expect(dataProblems(type, stored)).toEqual([]);
    if (dataSchema(type).properties?.user !== undefined) expect(undocumented(dataSchema(type), stored)).toEqual([]);
  }
  return drafts;
}

function dataOf(message: WireMessage, type: EventType): object | undefined {
  return eventsOf(message).find((draft) => draft.type === type)?.data;
}

const viewer = {
  id: '7000000000000000001',
  uniqueId: 'viewer.1',
  nickname: 'Viewer 1',
  avatarUrl: 'https://p16.example/avatar-1.webp',
  isModerator: false,
  followRole: 1,
};

describe('typed shapes', () => {
  it('chat: user with the relation to the host, comment, emotes with their place, mentions', () => {
    const message = sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, {
      user: sampleUser(1, {
        badgeList: [
          of(proto.BadgeStruct, { sceneType: 8, privilegeLogExtra: of(proto.PrivilegeLogExtra, { level: '21' }) }),
          of(proto.BadgeStruct, { sceneType: 10, privilegeLogExtra: of(proto.PrivilegeLogExtra, { level: '4' }) }),
        ],
      }),
      userIdentity: of(proto.UserIdentity, { isModeratorOfAnchor: true, isMutualFollowingWithAnchor: true }),
      content: 'hello there',
      contentLanguage: 'en',
      emotes: [{ index: 5, emote: of(proto.EmoteModel, { emoteId: '42', image: sampleImage('https://e.example/1') }) }],
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

  it('a user says nothing that the payload does not hold', () => {
    const message = sampleMessage('WebcastChatMessage', proto.WebcastChatMessage, { user: of(proto.User, { id: '9' }), content: 'x' });
    expect(JSON.parse(JSON.stringify(dataOf(message, 'tiktok.live.chat')))).toEqual({ user: { id: '9' }, comment: 'x' });
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
    ['pm_something_else', 'tiktok.live.social', { key: 'pm_something_else', actionCode: 9, followCount: 120, shareCount: 7 }],
  ] as const)('social message with the key %s is %s', (key, type, expected) => {
    const parts = { user: sampleUser(1), action: '9', shareTarget: '1', followCount: '120', shareCount: 7 };
    const message = sampleMessage('WebcastSocialMessage', proto.WebcastSocialMessage, parts, { displayText: sampleText(key) });
    const events = eventsOf(message);
    expect(events.map((event) => event.type)).toEqual([type]);
    expect(JSON.parse(JSON.stringify(events[0]?.data))).toEqual({ user: viewer, ...expected });
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
      ranks: [of(proto.Contributor, { rank: '1', score: '900', user: sampleUser(1) }), of(proto.Contributor, { rank: '2', score: '50' })],
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
    const question = of(proto.Question, { questionId: '31', content: 'why?', createTime: String(SAMPLE_SECONDS), user: sampleUser(1) });
    expect(
      dataOf(sampleMessage('WebcastQuestionNewMessage', proto.WebcastQuestionNewMessage, { data: question }), 'tiktok.live.question'),
    ).toEqual({
      user: viewer,
      questionId: '31',
      text: 'why?',
      createdAt: SAMPLE_TIME,
    });
    const emoteList = [of(proto.EmoteModel, { emoteId: '42', image: sampleImage('https://e.example/1') })];
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
        userGradeParam: of(proto.BarrageTypeUserGradeParam, { currentGrade: 28, user: sampleUser(1) }),
        msgType: 9,
      });
    const joined = banner('ttlive_superFan_commentNotif_superFanJoined');
    expect(eventsOf(joined).map(({ id, type }) => [id, type])).toEqual([
      [`${SAMPLE_ROOM}-${joined.msgId}`, 'tiktok.live.barrage'],
      [`${SAMPLE_ROOM}-${joined.msgId}-superFanJoin`, 'tiktok.live.superFanJoin'],
    ]);
    expect(eventsOf(joined)[0]?.data).toMatchObject({ user: viewer, kindCode: 9, level: 28, text: '{0} is a super fan' });
    expect(eventsOf(banner('ttlive_superFan_level')).map(({ type }) => type)).toEqual(['tiktok.live.barrage', 'tiktok.live.superFan']);
    expect(eventsOf(banner('pm_mt_alp_join_animation')).map(({ type }) => type)).toEqual(['tiktok.live.barrage']);
  });

  it('envelope, and superFanBox where it is one', () => {
    const box = (businessType: number) =>
      sampleMessage('WebcastEnvelopeMessage', proto.WebcastEnvelopeMessage, {
        display: 1,
        envelopeInfo: of(proto.MessageRedEnvelopInfo, {
          envelopeId: '77',
          businessType,
          diamondCount: 20,
          peopleCount: 5,
          unpackAt: SAMPLE_SECONDS,
          sendUserId: '12',
          sendUserName: 'Giver',
          superFanCount: 3,
        }),
      });
    const expected = {
      envelopeId: '77',
      display: 'show',
      diamonds: 20,
      people: 5,
      unpackAt: SAMPLE_TIME,
      sender: { id: '12', nickname: 'Giver' },
    };
    expect(eventsOf(box(1)).map(({ type }) => type)).toEqual(['tiktok.live.envelope']);
    expect(dataOf(box(1), 'tiktok.live.envelope')).toEqual({ ...expected, businessCode: 1 });
    expect(dataOf(box(19), 'tiktok.live.superFanBox')).toEqual({ ...expected, businessCode: 19, superFans: 3 });
  });

  it('linkMicBattle: hosts, results, armies, teams', () => {
    const army = of(proto.BattleUserArmies, {
      hostscore: '40',
      userArmies: [of(proto.BattleUserArmy, { userId: '5', nickname: 'Fan', score: '40' })],
    });
    const message = sampleMessage('WebcastLinkMicBattle', proto.WebcastLinkMicBattle, {
      battleId: '99',
      action: 5,
      battleSettings: of(proto.BattleSetting, { battleId: '99', startTimeMs: String(SAMPLE_MS), duration: 300, status: 2 }),
      anchorsInfo: [
        of(proto.BattleUserInfoWrapper, {
          key: '1',
          value: of(proto.BattleUserInfo, { user: of(proto.BattleBaseUserInfo, { userId: '1', displayId: 'host.a', nickName: 'A' }) }),
        }),
      ],
      battleResult: { '1': of(proto.BattleResult, { userId: '1', result: 1, score: '40' }) },
      armies: [of(proto.UserArmiesWrapper, { key: '1', value: army })],
      teamBattleResult: [
        of(proto.BattleTeamResult, { teamId: '8', result: 2, totalScore: '40', teamUser: [of(proto.BattleTeamUser, { userId: '1' })] }),
      ],
    });
    const armies = [{ hostId: '1', score: 40, top: [{ userId: '5', nickname: 'Fan', score: 40 }] }];
    expect(JSON.parse(JSON.stringify(dataOf(message, 'tiktok.live.linkMicBattle')))).toEqual({
      battleId: '99',
      startedAt: SAMPLE_TIME,
      durationSeconds: 300,
      status: 'finished',
      action: 'finish',
      actionCode: 5,
      hosts: [{ id: '1', uniqueId: 'host.a', nickname: 'A' }],
      results: [{ userId: '1', result: 'lose', score: 40 }],
      armies,
      teams: [{ teamId: '8', score: 40, userIds: ['1'], result: 'draw' }],
    });
    const scores = sampleMessage('WebcastLinkMicArmies', proto.WebcastLinkMicArmies, {
      battleId: '99',
      armies: { '1': army },
      triggerReason: 1,
      fromUserId: '5',
      giftId: '5655',
      giftCount: 2,
      totalDiamondCount: 10,
    });
    expect(JSON.parse(JSON.stringify(dataOf(scores, 'tiktok.live.linkMicArmies')))).toEqual({
      battleId: '99',
      status: 'other',
      reason: 'score',
      armies,
      fromUserId: '5',
      giftId: '5655',
      giftCount: 2,
      diamonds: 10,
    });
  });

  it('caption, goalUpdate, poll', () => {
    const caption = sampleMessage('WebcastCaptionMessage', proto.WebcastCaptionMessage, {
      timestampMs: String(SAMPLE_MS),
      durationMs: '2500',
      definite: true,
      sentenceId: '4',
      content: [of(proto.CaptionContent, { lang: 'en', content: 'good evening' })],
    });
    expect(dataOf(caption, 'tiktok.live.caption')).toEqual({
      at: SAMPLE_TIME,
      durationMs: 2_500,
      definite: true,
      sentenceId: '4',
      texts: [{ language: 'en', text: 'good evening' }],
    });
    const gift = of(proto.LiveStreamSubGoalGift, { name: 'Rose' });
    const goal = sampleMessage('WebcastGoalUpdateMessage', proto.WebcastGoalUpdateMessage, {
      goal: of(proto.LiveStreamGoal, {
        id: '6',
        status: 2,
        description: 'roses',
        subGoals: [of(proto.LiveStreamSubGoal, { id: '5655', progress: '7', target: '50', gift })],
      }),
      contributorId: '5',
      contributorDisplayId: 'viewer.5',
      contributeCount: '2',
      contributeScore: '10',
    });
    expect(JSON.parse(JSON.stringify(dataOf(goal, 'tiktok.live.goalUpdate')))).toEqual({
      goalId: '6',
      description: 'roses',
      statusCode: 2,
      subGoals: [{ id: '5655', progress: 7, target: 50, gift: 'Rose' }],
      contributor: { id: '5', uniqueId: 'viewer.5' },
      contribution: 2,
      score: 10,
    });
    const option = of(proto.PollOptionInfo, { optionIdx: 1, displayContent: 'yes', votes: '3' });
    const poll = (messageType: string, parts: Partial<proto.WebcastPollMessage>) =>
      JSON.parse(
        JSON.stringify(
          dataOf(sampleMessage('WebcastPollMessage', proto.WebcastPollMessage, { pollId: '8', messageType, ...parts }), 'tiktok.live.poll'),
        ),
      );
    const start = of(proto.PollStartContent, {
      title: 'ok?',
      startTime: String(SAMPLE_MS),
      endTime: String(SAMPLE_MS + 60_000),
      optionList: [option],
    });
    const options = [{ index: 1, text: 'yes', votes: 3 }];
    expect(poll('0', { startContent: start })).toEqual({
      pollId: '8',
      phase: 'start',
      title: 'ok?',
      kindCode: 0,
      startedAt: SAMPLE_TIME,
      endsAt: new Date(SAMPLE_MS + 60_000).toISOString(),
      options,
    });
    expect(poll('1', { endContent: of(proto.PollEndContent, { optionList: [option] }) })).toMatchObject({ phase: 'end', options });
    expect(poll('2', { updateVotesContent: of(proto.PollUpdateVotesContent, { optionList: [option] }) })).toMatchObject({
      phase: 'update',
      options,
    });
    expect(poll('9', {})).toMatchObject({ phase: 'other', options: [] });
  });

  it('roomPin names the pinned message, so that its event can be found', () => {
    const message = sampleMessage('WebcastRoomPinMessage', proto.WebcastRoomPinMessage, {
      action: 1,
      method: 'WebcastChatMessage',
      pinMsgId: '7512345678901234567',
      pinTime: String(SAMPLE_MS),
      displayDuration: '60',
      operator: sampleUser(1),
      chatMessage: of(proto.WebcastChatMessage, { user: sampleUser(1), content: 'read this' }),
    });
    expect(JSON.parse(JSON.stringify(dataOf(message, 'tiktok.live.roomPin')))).toEqual({
      action: 'pin',
      pinnedId: '7512345678901234567',
      pinnedType: 'tiktok.live.chat',
      pinnedAt: SAMPLE_TIME,
      durationSeconds: 60,
      operator: viewer,
      user: viewer,
      comment: 'read this',
    });
  });

  it('imDelete and inRoomBanner', () => {
    const deleted = sampleMessage('WebcastImDeleteMessage', proto.WebcastImDeleteMessage, {
      deleteMsgIds: ['1', '2'],
      deleteUserIds: ['3'],
    });
    expect(dataOf(deleted, 'tiktok.live.imDelete')).toEqual({ messageIds: ['1', '2'], userIds: ['3'] });
    const { msgId, payload } = sampleMessage('WebcastInRoomBannerMessage', proto.WebcastInRoomBannerMessage, {});
    const json = Buffer.from('{"id":7512345678901234567}');
    const banner = {
      method: 'WebcastInRoomBannerMessage',
      msgId,
      payload: Buffer.concat([payload, Buffer.from([0x12, json.length]), json]),
    };
    expect(dataOf(banner, 'tiktok.live.inRoomBanner')).toEqual({ json: '{"id":7512345678901234567}' });
  });

  it.each([
    [1, 'paused', []],
    [2, 'resumed', []],
    [3, 'ended', ['tiktok.live.streamEnd']],
    [4, 'suspended', ['tiktok.live.streamEnd']],
    [9, 'other', []],
  ] as const)('control %i is %s, and its end an event of its own', (code, action, derived) => {
    const message = sampleMessage('WebcastControlMessage', proto.WebcastControlMessage, { action: code as proto.ControlAction });
    const [control, ...more] = eventsOf(message);
    expect(control).toMatchObject({
      id: `${SAMPLE_ROOM}-${message.msgId}`,
      type: 'tiktok.live.control',
      data: { action, actionCode: code },
    });
    expect(more.map(({ type }) => type)).toEqual(derived);
    if (derived.length > 0)
      expect(more[0]).toMatchObject({ id: `${SAMPLE_ROOM}-${message.msgId}-end`, data: { reason: action, actionCode: code } });
  });

  it('every mapped message yields events of the types its rule names, even when it is empty', () => {
    expect(WIRE_RULES.size).toBe(62);
    for (const [method, rule] of WIRE_RULES) {
      const { msgId, payload } = sampleMessage('WebcastSpeakerMessage', proto.WebcastSpeakerMessage, {});
      const types = eventsOf({ method, msgId, payload }).map(({ type }) => type);
      expect([method, types.length > 0 && types.every((type) => rule.types.some((known) => known === type))]).toEqual([method, true]);
    }
    expect(MAPPED_TYPES.every(isEventType)).toBe(true);
  });
});
