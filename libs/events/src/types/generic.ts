import { Type } from '@sinclair/typebox';
import { count, data, text, word } from './fields.js';

/** Data of a type that keeps the fields of its protobuf message (names of schema v3). */
export interface GenericData {
  truncated?: boolean;
  [field: string]: unknown;
}

const generic = Type.Unsafe<GenericData>(
  Type.Object(
    { truncated: Type.Optional(Type.Boolean({ description: 'true when it was cut to 32 KiB' })) },
    {
      additionalProperties: true,
      description:
        'the fields of the protobuf message without empty ones: 64-bit numbers as strings, a user as in other events, an image as an address of its picture, bytes as base64 up to 1 KiB',
    },
  ),
);
const of = <const T extends string>(about: T) => ({ about, data: generic });

/** Mapped messages that have no shape of their own. */
export const untyped = {
  'tiktok.live.accessControl': of('Access to the room was restricted (captcha or login wall).'),
  'tiktok.live.accessRecall': of('A restriction of access was taken back.'),
  'tiktok.live.boostCard': of('A boost card was used.'),
  'tiktok.live.bottomMessage': of('A notice at the bottom of the room, such as a health or rating warning.'),
  'tiktok.live.capsule': of('A capsule (promotion) of the room.'),
  'tiktok.live.gameRankNotify': of('A rank in a game changed.'),
  'tiktok.live.giftBroadcast': of('A big gift, shown in many rooms.'),
  'tiktok.live.giftDynamicRestriction': of('Gifts were restricted.'),
  'tiktok.live.giftPanelUpdate': of('The panel of gifts changed.'),
  'tiktok.live.giftPrompt': of('A prompt to send a gift.'),
  'tiktok.live.guide': of('A hint to viewers.'),
  'tiktok.live.hourlyRank': of('A reward of the hourly ranking.'),
  'tiktok.live.linkLayer': of('The layer of co-hosts and guests changed.'),
  'tiktok.live.linkMessage': of('Co-hosting: invitations, joins, leaves, list of linked hosts.'),
  'tiktok.live.linkMicBattleItemCard': of('An item card in a battle.'),
  'tiktok.live.linkMicBattlePunishFinish': of('The punishment after a battle ended.'),
  'tiktok.live.linkMicBattleTask': of('A task inside a battle.'),
  'tiktok.live.linkMicFanTicketMethod': of('Points of guests on stage.'),
  'tiktok.live.linkMicLayoutState': of('The layout of guests changed.'),
  'tiktok.live.linkMicMethod': of('A signal of guest connections.'),
  'tiktok.live.linkState': of('The state of a link between hosts.'),
  'tiktok.live.liveGameIntro': of('Introduction of a game.'),
  'tiktok.live.marqueeAnnouncement': of('An announcement of the platform.'),
  'tiktok.live.msgDetect': of("TikTok's measurement of message delivery."),
  'tiktok.live.notice': of('A notice.'),
  'tiktok.live.oecLiveShopping': of('A product of the shop was shown or changed.'),
  'tiktok.live.partnershipDropsUpdate': of('Game drops changed.'),
  'tiktok.live.partnershipGameOffline': of('A partner game went offline.'),
  'tiktok.live.partnershipPunish': of('A punishment in a partnership.'),
  'tiktok.live.perception': of('A notice of moderation to the host.'),
  'tiktok.live.rankText': of('A text about a viewer in the ranking.'),
  'tiktok.live.rankUpdate': of("The creator's place in rankings."),
  'tiktok.live.roomMessage': of('A message of the system in the room.'),
  'tiktok.live.roomNotify': of('A notice in the room.'),
  'tiktok.live.roomVerify': of('The room asks to verify.'),
  'tiktok.live.speaker': of('Who speaks at the moment.'),
  'tiktok.live.subPinEvent': of('A card of the creator (goal, subscription) was pinned.'),
  'tiktok.live.system': of('A message of the system.'),
  'tiktok.live.toast': of('A toast on the screen.'),
  'tiktok.live.unauthorizedMember': of('A viewer without an account entered.'),
  'tiktok.live.viewerPicksUpdate': of("The viewers' picks changed."),
};

export const unknown = {
  'tiktok.live.unknown': {
    about:
      'A message without a decoder, or one that could not be decoded. Nothing is dropped; its bytes are in `raw` where those are stored.',
    data: data({
      method: text("TikTok's name of the message"),
      bytes: count('size of the message'),
      reason: word('why', 'unmapped', 'undecodable'),
    }),
  },
};
