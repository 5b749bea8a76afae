import { Type } from '@sinclair/typebox';
import { count, data, id, instant, text, url, user, userAs, word } from './fields.js';

const person = (description: string) =>
  Type.Object(
    {
      id: Type.Optional(id('user id; absent where TikTok does not say it')),
      uniqueId: Type.Optional(text('the @handle')),
      nickname: Type.Optional(text('display name')),
      avatarUrl: Type.Optional(url('picture')),
    },
    { description },
  );

const envelope = {
  envelopeId: id('envelope id'),
  display: word('whether it appears or goes', 'show', 'hide', 'other'),
  businessCode: count("TikTok's code of the kind: 1 a viewer's treasure box, 19 a super fan box"),
  diamonds: count('diamonds inside'),
  people: count('how many viewers share it'),
  unpackAt: Type.Optional(instant('when it opens')),
  sender: Type.Optional(person('who gave it')),
};

const armies = Type.Array(
  Type.Object({
    hostId: Type.Optional(id('user id of the host they fight for')),
    score: count('score of this host'),
    top: Type.Array(
      Type.Object({
        userId: Type.Optional(id('user id; absent where TikTok does not say it')),
        nickname: Type.Optional(text('display name')),
        avatarUrl: Type.Optional(url('picture')),
        score: count('what this viewer gave'),
      }),
      { description: 'best supporters' },
    ),
  }),
  { description: 'one entry for each host' },
);

const teams = Type.Optional(
  Type.Array(
    Type.Object({
      teamId: id('team id'),
      score: count('score of the team'),
      userIds: Type.Array(id('user id'), { description: 'its hosts' }),
      result: Type.Optional(word('how it ended', 'win', 'lose', 'draw', 'other')),
    }),
    { description: 'teams, in a team battle' },
  ),
);

const battle = {
  battleId: id('battle id'),
  startedAt: Type.Optional(instant('start of the battle')),
  durationSeconds: Type.Optional(count('length of the battle')),
  status: word('state of the battle', 'not-started', 'started', 'finished', 'punish', 'punish-finished', 'other'),
};

/** What the room and its host do. */
export const room = {
  'tiktok.live.envelope': { about: 'A treasure box (diamonds for viewers) appeared or went away.', data: data(envelope) },
  'tiktok.live.superFanBox': {
    about: 'The envelope is a super fan box. Comes with its envelope event; its id ends in `-superFanBox`.',
    data: data({ ...envelope, superFans: count('super fans it was opened for') }),
  },
  'tiktok.live.linkMicBattle': {
    about: 'A battle between hosts was proposed, opened or finished.',
    data: data({
      ...battle,
      action: word(
        'what happened',
        'invite',
        'reject',
        'cancel',
        'open',
        'finish',
        'cut-short',
        'accept',
        'quit-apply',
        'quit-declined',
        'quit-declined-off',
        'leave',
        'other',
      ),
      actionCode: count("TikTok's code of the action"),
      hosts: Type.Array(person('a host'), { description: 'the hosts' }),
      results: Type.Array(
        Type.Object({
          userId: Type.Optional(id('user id of the host')),
          result: word('how it ended', 'win', 'lose', 'draw', 'other'),
          score: count('final score'),
        }),
        { description: 'results, once it is finished' },
      ),
      armies,
      teams,
    }),
  },
  'tiktok.live.linkMicArmies': {
    about: 'Scores of a running battle.',
    data: data({
      ...battle,
      reason: word('why it was sent', 'score', 'end', 'opt-out', 'keep-alive', 'effect', 'other'),
      armies,
      teams,
      fromUserId: Type.Optional(id('user whose gift changed the score')),
      giftId: Type.Optional(id('that gift')),
      giftCount: Type.Optional(count('how many of it')),
      diamonds: Type.Optional(count('diamonds of it')),
    }),
  },
  'tiktok.live.caption': {
    about: 'Automatic subtitles of what the host says.',
    data: data({
      at: Type.Optional(instant('when it was spoken')),
      durationMs: count('how long it is shown; 0 when unknown'),
      definite: Type.Boolean({ description: 'false while the sentence may still change' }),
      sentenceId: id('sentence id'),
      texts: Type.Array(Type.Object({ language: text('language, such as `en`'), text: text('the words') }), {
        description: 'the sentence, one entry for each language',
      }),
    }),
  },
  'tiktok.live.goalUpdate': {
    about: 'A goal of the creator moved.',
    data: data({
      goalId: id('goal id'),
      description: Type.Optional(text("the creator's words")),
      statusCode: count("TikTok's code of the goal's state"),
      subGoals: Type.Array(
        Type.Object({
          id: id('part id; a gift id where gifts are counted'),
          progress: count('reached'),
          target: count('wanted'),
          gift: Type.Optional(text('name of the gift that is counted')),
        }),
        { description: 'the parts of the goal' },
      ),
      contributor: Type.Optional(person('who moved it')),
      contribution: Type.Optional(count('what this contributor added, in gifts')),
      score: Type.Optional(count('what this contributor added, in diamonds')),
    }),
  },
  'tiktok.live.poll': {
    about: 'A poll began, changed or ended.',
    data: data({
      pollId: id('poll id'),
      phase: word('what happened', 'start', 'update', 'end', 'other'),
      title: Type.Optional(text('the question')),
      kindCode: count("TikTok's code of the kind: 0 normal, 1 by gifts"),
      startedAt: Type.Optional(instant('when it began')),
      endsAt: Type.Optional(instant('when it ends')),
      options: Type.Array(Type.Object({ index: count('number of the option'), text: text('the option'), votes: count('votes for it') }), {
        description: 'the options',
      }),
      operator: userAs('who started or ended it'),
    }),
  },
  'tiktok.live.roomPin': {
    about: 'A message was pinned to the top of the room, or taken down.',
    data: data({
      action: word('what happened', 'pin', 'unpin', 'other'),
      pinnedId: id('msgId of the pinned message; its event has the id `roomId-pinnedId`'),
      pinnedType: Type.Optional(text('event type of the pinned message')),
      pinnedAt: Type.Optional(instant('when')),
      durationSeconds: count('how long it stays; 0 when taken down'),
      operator: userAs('who pinned it'),
      user: userAs('who wrote or sent what is pinned'),
      comment: Type.Optional(text('the pinned comment')),
      giftId: Type.Optional(id('the pinned gift')),
      giftName: Type.Optional(text('its name')),
    }),
  },
  'tiktok.live.imDelete': {
    about: 'A moderator deleted messages, or every message of some users.',
    data: data({
      messageIds: Type.Array(id('msgId of a deleted message'), { description: 'deleted messages' }),
      userIds: Type.Array(id('user id'), { description: 'users whose messages are all deleted' }),
    }),
  },
  'tiktok.live.control': {
    about: 'The stream was paused, resumed or ended.',
    data: data({
      action: word('what happened', 'paused', 'resumed', 'ended', 'suspended', 'other'),
      actionCode: count("TikTok's code of the action"),
      tips: Type.Optional(text('what TikTok shows to viewers')),
      reason: Type.Optional(text('reason of a suspension')),
    }),
  },
  'tiktok.live.streamEnd': {
    about: 'The stream is over. Comes with its control event; its id ends in `-end`.',
    data: data({
      reason: word('by the host, or by TikTok', 'ended', 'suspended'),
      actionCode: count("TikTok's code of the action: 3 ended, 4 suspended"),
    }),
  },
  'tiktok.live.liveIntro': {
    about: "The creator's introduction of the room.",
    data: data({ user, text: text('the introduction'), language: Type.Optional(text('its language')) }),
  },
  'tiktok.live.barrage': {
    about: 'A banner that flies over the video: a high-level viewer entered, levelled up, bought something.',
    data: data({
      user,
      kindCode: count("TikTok's code of the kind: 8 level up, 9 entrance by level, 10 fan level up, 11 entrance of a fan"),
      key: Type.Optional(text('key of the text TikTok shows')),
      text: Type.Optional(text('the text, with placeholders')),
      level: Type.Optional(count('level it is about')),
    }),
  },
  'tiktok.live.inRoomBanner': {
    about: 'A banner inside the room.',
    data: data({ json: Type.Optional(text("TikTok's description of it, a JSON text")) }),
  },
};
