import { Type } from '@sinclair/typebox';
import { count, data, id, instant, text, url, User, user, userAs, word } from './fields.js';

const emote = Type.Object({
  id: id('emote id'),
  index: Type.Optional(count('where in the comment it stands, in characters')),
  imageUrl: Type.Optional(url('picture of the emote')),
});

/** What viewers do. */
export const audience = {
  'tiktok.live.chat': {
    about: 'A viewer wrote a comment.',
    data: data({
      user,
      comment: text('the comment'),
      language: Type.Optional(text('language TikTok detected, such as `en`')),
      emotes: Type.Optional(Type.Array(emote, { description: 'subscriber emotes inside the comment' })),
      mentions: Type.Optional(Type.Array(User, { description: 'users the comment is addressed to' })),
    }),
  },
  'tiktok.live.gift': {
    about:
      'A gift. A streak sends many of these; each counts only what it adds, so the sum of `totalDiamonds` is right. Gifts marked `unpriced` are not in it: TikTok did not send their price.',
    data: data({
      user,
      toUser: userAs('the guest who received it; absent for a gift to the creator'),
      giftId: id('gift id'),
      name: text('name of the gift in the language of the connection; empty when TikTok sent none'),
      imageUrl: Type.Optional(url('picture of the gift')),
      diamonds: Type.Optional(count('diamonds of one gift; absent where the price is not known')),
      priceLearnt: Type.Optional(
        Type.Boolean({ description: 'true where the message has no price, and `diamonds` is that of an earlier gift of this kind' }),
      ),
      unpriced: Type.Optional(
        Type.Boolean({ description: 'true where the price is not known, and `diamonds` and `totalDiamonds` are absent' }),
      ),
      streakId: text('the streak this gift belongs to; a gift outside of any streak has an id of its own'),
      count: count('gifts this event adds; 0 when it repeats what was counted, as the end of a streak does'),
      streakCount: count('gifts of the whole streak so far'),
      final: Type.Boolean({
        description: 'true on the event that ends its streak; a streak may also end in silence, without such an event',
      }),
      totalDiamonds: Type.Optional(count('diamonds this event adds: count times diamonds; absent where the price is not known')),
    }),
  },
  'tiktok.live.like': {
    about: 'A viewer tapped like. TikTok sends a sample of these: `roomLikes` is the number to show.',
    data: data({
      user,
      count: count('taps in this message'),
      total: count('likes of the room as this message says; runs backwards at times, since several counters feed it'),
      roomLikes: count('likes of the room: the highest total, or the sum of counts where that is more; never decreases'),
    }),
  },
  'tiktok.live.member': {
    about: 'A viewer joined the room.',
    data: data({
      user,
      action: word('what happened', 'join', 'subscribe', 'other'),
      actionCode: count("TikTok's code of the action"),
      memberCount: count('viewers in the room at that moment'),
    }),
  },
  'tiktok.live.follow': {
    about: 'A viewer followed the creator.',
    data: data({ user, followCount: Type.Optional(count('followers of the creator now')) }),
  },
  'tiktok.live.share': {
    about: 'A viewer shared the room.',
    data: data({
      user,
      shareCount: Type.Optional(count('shares of the room so far')),
      target: Type.Optional(text('where it was shared to')),
      joined: Type.Optional(count('viewers who joined by it, as far as the text that is shown says so')),
    }),
  },
  'tiktok.live.social': {
    about: 'A social message that is neither follow nor share.',
    data: data({
      user,
      key: Type.Optional(text('key of the text TikTok shows')),
      actionCode: count("TikTok's code of the action"),
      followCount: Type.Optional(count('followers of the creator now')),
      shareCount: Type.Optional(count('shares of the room so far')),
    }),
  },
  'tiktok.live.roomUser': {
    about: 'Number of viewers, about every two seconds.',
    data: data({
      viewers: count('viewers now'),
      totalViewers: count('viewers since the start'),
      topGifters: Type.Array(Type.Object({ rank: count('1 is the first'), score: count('diamonds, 0 where TikTok hides them'), user }), {
        description: 'the best gifters, in their order',
      }),
    }),
  },
  'tiktok.live.question': {
    about: 'A viewer asked a question in the Q&A.',
    data: data({
      user,
      questionId: id('question id'),
      text: text('the question'),
      createdAt: Type.Optional(instant('when it was asked')),
    }),
  },
  'tiktok.live.emote': {
    about: 'A viewer sent subscriber emotes.',
    data: data({ user, emotes: Type.Array(emote, { description: 'the emotes' }) }),
  },
  'tiktok.live.subscribe': {
    about: 'A subscription to the creator, or a notice about one.',
    data: data({
      user,
      months: count('months subscribed'),
      notice: word('what the message is about', 'subscribed', 'gifted', 'expiring', 'goal', 'other'),
      noticeCode: count("TikTok's code of the notice"),
      renewal: word('how it is paid', 'once', 'auto', 'other'),
      previous: word('what it was before', 'first', 'again', 'grace', 'other'),
    }),
  },
  'tiktok.live.superFan': {
    about:
      'A viewer became a super fan of the creator, or another notice about super fans. Comes with the barrage message that shows it; its id ends in `-superFan`.',
    data: data({
      user,
      key: text('key of the text TikTok shows'),
      notice: Type.Optional(word('`became`: the viewer became a super fan', 'became', 'other')),
    }),
  },
  'tiktok.live.superFanJoin': {
    about: 'A super fan of the creator entered the room. Comes with the barrage message that shows it; its id ends in `-superFanJoin`.',
    data: data({ user, key: text('key of the text TikTok shows') }),
  },
};
