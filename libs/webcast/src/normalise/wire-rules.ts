import type { EventType } from '@tributary/events';
import * as proto from 'tiktok-live-proto/v3';
import * as audience from './messages/audience.js';
import * as battles from './messages/battles.js';
import { genericOf } from './messages/generic.js';
import { gift } from './counts/gift.js';
import { InRoomBannerCodec, inRoomBanner } from './messages/in-room-banner.js';
import { leanChat, leanGift, leanLike, leanMember, leanRoomUser, leanSocial } from './lean/lean-messages.js';
import * as room from './messages/room.js';
import type { EventBuilder } from './event-builder.js';

/** How one wire type becomes events. */
export interface WireRule {
  /** Every event type it can become. */
  types: readonly EventType[];
  /** Decodes and emits. Throws when the payload is no such message. */
  read(payload: Uint8Array, builder: EventBuilder): void;
}

interface Codec<T> {
  decode(payload: Uint8Array): T;
}

interface Decoded {
  common?: { createTime: string } | undefined;
}

function typed<T extends Decoded>(codec: Codec<T>, shape: (message: T, builder: EventBuilder) => void, ...names: LiveName[]): WireRule {
  return {
    types: names.map((name) => `tiktok.live.${name}` as const),
    read(payload, builder) {
      const message = codec.decode(payload);
      builder.date(message.common?.createTime);
      shape(message, builder);
    },
  };
}

/** A type without a shape of its own: its data is the message itself. */
function generic<T extends Decoded>(codec: Codec<T>, name: LiveName): WireRule {
  const type = `tiktok.live.${name}` as const;
  return typed(codec, (message, builder) => builder.emit<EventType>(type, genericOf(message, builder.trim)), name);
}

type LiveName = EventType extends infer T ? (T extends `tiktok.live.${infer Name}` ? Name : never) : never;

/** Every wire type that has a decoder, by TikTok's name of it. */
export const WIRE_RULES: ReadonlyMap<string, WireRule> = new Map(
  Object.entries({
    WebcastChatMessage: typed(leanChat, audience.chat, 'chat'),
    WebcastGiftMessage: typed(leanGift, gift, 'gift'),
    WebcastLikeMessage: typed(leanLike, audience.like, 'like'),
    WebcastMemberMessage: typed(leanMember, audience.member, 'member'),
    WebcastSocialMessage: typed(leanSocial, audience.social, 'follow', 'share', 'social'),
    WebcastRoomUserSeqMessage: typed(leanRoomUser, audience.roomUser, 'roomUser'),
    WebcastQuestionNewMessage: typed(proto.WebcastQuestionNewMessage, audience.question, 'question'),
    WebcastEmoteChatMessage: typed(proto.WebcastEmoteChatMessage, audience.emote, 'emote'),
    WebcastSubNotifyMessage: typed(proto.WebcastSubNotifyMessage, audience.subscribe, 'subscribe'),
    WebcastBarrageMessage: typed(proto.WebcastBarrageMessage, audience.barrage, 'barrage', 'superFan', 'superFanJoin'),
    WebcastEnvelopeMessage: typed(proto.WebcastEnvelopeMessage, room.envelope, 'envelope', 'superFanBox'),
    WebcastLinkMicBattle: typed(proto.WebcastLinkMicBattle, battles.linkMicBattle, 'linkMicBattle'),
    WebcastLinkMicArmies: typed(proto.WebcastLinkMicArmies, battles.linkMicArmies, 'linkMicArmies'),
    WebcastCaptionMessage: typed(proto.WebcastCaptionMessage, room.caption, 'caption'),
    WebcastGoalUpdateMessage: typed(proto.WebcastGoalUpdateMessage, room.goalUpdate, 'goalUpdate'),
    WebcastPollMessage: typed(proto.WebcastPollMessage, room.poll, 'poll'),
    WebcastRoomPinMessage: typed(proto.WebcastRoomPinMessage, room.roomPin, 'roomPin'),
    WebcastImDeleteMessage: typed(proto.WebcastImDeleteMessage, room.imDelete, 'imDelete'),
    WebcastControlMessage: typed(proto.WebcastControlMessage, room.control, 'control', 'streamEnd'),
    WebcastLiveIntroMessage: typed(proto.WebcastLiveIntroMessage, room.liveIntro, 'liveIntro'),
    WebcastAccessControlMessage: generic(proto.WebcastAccessControlMessage, 'accessControl'),
    WebcastAccessRecallMessage: generic(proto.WebcastAccessRecallMessage, 'accessRecall'),
    WebcastBoostCardMessage: generic(proto.WebcastBoostCardMessage, 'boostCard'),
    WebcastBottomMessage: generic(proto.WebcastBottomMessage, 'bottomMessage'),
    WebcastCapsuleMessage: generic(proto.WebcastCapsuleMessage, 'capsule'),
    WebcastGameRankNotifyMessage: generic(proto.WebcastGameRankNotifyMessage, 'gameRankNotify'),
    WebcastGiftBroadcastMessage: generic(proto.WebcastGiftBroadcastMessage, 'giftBroadcast'),
    WebcastGiftDynamicRestrictionMessage: generic(proto.WebcastGiftDynamicRestrictionMessage, 'giftDynamicRestriction'),
    WebcastGiftPanelUpdateMessage: generic(proto.WebcastGiftPanelUpdateMessage, 'giftPanelUpdate'),
    WebcastGiftPromptMessage: generic(proto.WebcastGiftPromptMessage, 'giftPrompt'),
    WebcastGuideMessage: generic(proto.WebcastGuideMessage, 'guide'),
    WebcastHourlyRankRewardMessage: generic(proto.WebcastHourlyRankRewardMessage, 'hourlyRank'),
    WebcastInRoomBannerMessage: typed(InRoomBannerCodec, inRoomBanner, 'inRoomBanner'),
    WebcastLinkLayerMessage: generic(proto.WebcastLinkLayerMessage, 'linkLayer'),
    WebcastLinkMessage: generic(proto.WebcastLinkMessage, 'linkMessage'),
    WebcastLinkMicBattleItemCard: generic(proto.WebcastLinkMicBattleItemCard, 'linkMicBattleItemCard'),
    WebcastLinkMicBattlePunishFinish: generic(proto.WebcastLinkMicBattlePunishFinish, 'linkMicBattlePunishFinish'),
    WebcastLinkmicBattleTaskMessage: generic(proto.WebcastLinkmicBattleTaskMessage, 'linkMicBattleTask'),
    WebcastLinkMicFanTicketMethod: generic(proto.WebcastLinkMicFanTicketMethod, 'linkMicFanTicketMethod'),
    WebcastLinkMicLayoutStateMessage: generic(proto.WebcastLinkMicLayoutStateMessage, 'linkMicLayoutState'),
    WebcastLinkMicMethod: generic(proto.WebcastLinkMicMethod, 'linkMicMethod'),
    WebcastLinkStateMessage: generic(proto.WebcastLinkStateMessage, 'linkState'),
    WebcastLiveGameIntroMessage: generic(proto.WebcastLiveGameIntroMessage, 'liveGameIntro'),
    WebcastMarqueeAnnouncementMessage: generic(proto.WebcastMarqueeAnnouncementMessage, 'marqueeAnnouncement'),
    WebcastMsgDetectMessage: generic(proto.WebcastMsgDetectMessage, 'msgDetect'),
    WebcastNoticeMessage: generic(proto.WebcastNoticeMessage, 'notice'),
    WebcastOecLiveShoppingMessage: generic(proto.WebcastOecLiveShoppingMessage, 'oecLiveShopping'),
    WebcastPartnershipDropsUpdateMessage: generic(proto.WebcastPartnershipDropsUpdateMessage, 'partnershipDropsUpdate'),
    WebcastPartnershipGameOfflineMessage: generic(proto.WebcastPartnershipGameOfflineMessage, 'partnershipGameOffline'),
    WebcastPartnershipPunishMessage: generic(proto.WebcastPartnershipPunishMessage, 'partnershipPunish'),
    WebcastPerceptionMessage: generic(proto.WebcastPerceptionMessage, 'perception'),
    WebcastRankTextMessage: generic(proto.WebcastRankTextMessage, 'rankText'),
    WebcastRankUpdateMessage: generic(proto.WebcastRankUpdateMessage, 'rankUpdate'),
    WebcastRoomMessage: generic(proto.WebcastRoomMessage, 'roomMessage'),
    WebcastRoomNotifyMessage: generic(proto.WebcastRoomNotifyMessage, 'roomNotify'),
    WebcastRoomVerifyMessage: generic(proto.WebcastRoomVerifyMessage, 'roomVerify'),
    WebcastSpeakerMessage: generic(proto.WebcastSpeakerMessage, 'speaker'),
    WebcastSubPinEventMessage: generic(proto.WebcastSubPinEventMessage, 'subPinEvent'),
    WebcastSystemMessage: generic(proto.WebcastSystemMessage, 'system'),
    WebcastToastMessage: generic(proto.WebcastToastMessage, 'toast'),
    WebcastUnauthorizedMemberMessage: generic(proto.WebcastUnauthorizedMemberMessage, 'unauthorizedMember'),
    WebcastViewerPicksUpdateMessage: generic(proto.WebcastViewerPicksUpdateMessage, 'viewerPicksUpdate'),
  } satisfies Record<string, WireRule>),
);

/** Every event type that the wire can become, for the check at start that the catalog has them all. */
export const MAPPED_TYPES: readonly EventType[] = [
  ...new Set([...WIRE_RULES.values()].flatMap(({ types }) => types)),
  'tiktok.live.unknown',
];
