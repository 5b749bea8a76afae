import { describe, expect, it } from '@jest/globals';
import { protoOf, SAMPLE_MS, SAMPLE_ROOM, SAMPLE_SECONDS, sampleMessage, sampleUser } from '@tributary/testing';
import * as proto from 'tiktok-live-proto/v3';
import { dataOf, eventsOf, SAMPLE_TIME, viewer } from '../../testing/sample-events.js';

describe('what the room does', () => {
  it('envelope, and superFanBox where it is one', () => {
    const box = (businessType: number) =>
      sampleMessage('WebcastEnvelopeMessage', proto.WebcastEnvelopeMessage, {
        display: 1,
        envelopeInfo: protoOf(proto.MessageRedEnvelopInfo, {
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
    const army = protoOf(proto.BattleUserArmies, {
      hostscore: '40',
      userArmies: [protoOf(proto.BattleUserArmy, { userId: '5', nickname: 'Fan', score: '40' })],
    });
    const message = sampleMessage('WebcastLinkMicBattle', proto.WebcastLinkMicBattle, {
      battleId: '99',
      action: 5,
      battleSettings: protoOf(proto.BattleSetting, { battleId: '99', startTimeMs: String(SAMPLE_MS), duration: 300, status: 2 }),
      anchorsInfo: [
        protoOf(proto.BattleUserInfoWrapper, {
          key: '1',
          value: protoOf(proto.BattleUserInfo, {
            user: protoOf(proto.BattleBaseUserInfo, { userId: '1', displayId: 'host.a', nickName: 'A' }),
          }),
        }),
      ],
      battleResult: { '1': protoOf(proto.BattleResult, { userId: '1', result: 1, score: '40' }) },
      armies: [protoOf(proto.UserArmiesWrapper, { key: '1', value: army })],
      teamBattleResult: [
        protoOf(proto.BattleTeamResult, {
          teamId: '8',
          result: 2,
          totalScore: '40',
          teamUser: [protoOf(proto.BattleTeamUser, { userId: '1' })],
        }),
      ],
    });
    const armies = [{ hostId: '1', score: 40, top: [{ userId: '5', nickname: 'Fan', score: 40 }] }];
    expect(dataOf(message, 'tiktok.live.linkMicBattle')).toEqual({
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
    expect(dataOf(scores, 'tiktok.live.linkMicArmies')).toEqual({
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
      content: [protoOf(proto.CaptionContent, { lang: 'en', content: 'good evening' })],
    });
    expect(dataOf(caption, 'tiktok.live.caption')).toEqual({
      at: SAMPLE_TIME,
      durationMs: 2_500,
      definite: true,
      sentenceId: '4',
      texts: [{ language: 'en', text: 'good evening' }],
    });
    const gift = protoOf(proto.LiveStreamSubGoalGift, { name: 'Rose' });
    const goal = sampleMessage('WebcastGoalUpdateMessage', proto.WebcastGoalUpdateMessage, {
      goal: protoOf(proto.LiveStreamGoal, {
        id: '6',
        status: 2,
        description: 'roses',
        subGoals: [protoOf(proto.LiveStreamSubGoal, { id: '5655', progress: '7', target: '50', gift })],
      }),
      contributorId: '5',
      contributorDisplayId: 'viewer.5',
      contributeCount: '2',
      contributeScore: '10',
    });
    expect(dataOf(goal, 'tiktok.live.goalUpdate')).toEqual({
      goalId: '6',
      description: 'roses',
      statusCode: 2,
      subGoals: [{ id: '5655', progress: 7, target: 50, gift: 'Rose' }],
      contributor: { id: '5', uniqueId: 'viewer.5' },
      contribution: 2,
      score: 10,
    });
    const option = protoOf(proto.PollOptionInfo, { optionIdx: 1, displayContent: 'yes', votes: '3' });
    const poll = (messageType: string, parts: Partial<proto.WebcastPollMessage>) =>
      dataOf(sampleMessage('WebcastPollMessage', proto.WebcastPollMessage, { pollId: '8', messageType, ...parts }), 'tiktok.live.poll');
    const start = protoOf(proto.PollStartContent, {
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
    expect(poll('1', { endContent: protoOf(proto.PollEndContent, { optionList: [option] }) })).toMatchObject({ phase: 'end', options });
    expect(poll('2', { updateVotesContent: protoOf(proto.PollUpdateVotesContent, { optionList: [option] }) })).toMatchObject({
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
      chatMessage: protoOf(proto.WebcastChatMessage, { user: sampleUser(1), content: 'read this' }),
    });
    expect(dataOf(message, 'tiktok.live.roomPin')).toEqual({
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
});
