import type { DataOf } from '@tributary/events';
import type { FieldLimiter } from '../field-limiter.js';
import { countIfAny, idIfAny } from '../field-values.js';
import type { LeanIdentity, LeanUser } from '../lean/lean-messages.js';

/** A viewer in our form. */
export type Person = NonNullable<DataOf<'tiktok.live.chat'>['user']>;

/** TikTok's codes of what a badge stands for. */
const SCENE_MODERATOR = 1;
const SCENE_SUBSCRIBER = 4;
const SCENE_NEW_SUBSCRIBER = 7;
const SCENE_GIFTER_LEVEL = 8;
const SCENE_FAN_LEVEL = 10;

/** A user as the payload holds it; undefined where the message has none. `identity` is the user's relation to the host. */
export function personOf(trim: FieldLimiter, user: LeanUser | undefined, identity?: LeanIdentity): Person | undefined {
  if (!user) return undefined;
  let badgeModerator = false;
  let badgeSubscriber = false;
  let gifterLevel: number | undefined;
  let fanLevel: number | undefined;
  for (const badge of user.badgeList) {
    const scene = badge.sceneType;
    if (scene === SCENE_MODERATOR) badgeModerator = true;
    else if (scene === SCENE_SUBSCRIBER || scene === SCENE_NEW_SUBSCRIBER) badgeSubscriber = true;
    else if (scene === SCENE_GIFTER_LEVEL) gifterLevel = countIfAny(badge.privilegeLogExtra?.level);
    else if (scene === SCENE_FAN_LEVEL) fanLevel = countIfAny(badge.privilegeLogExtra?.level);
  }
  const knowsModerators = identity !== undefined || user.userAttr !== undefined;
  const knowsSubscribers = identity !== undefined || user.subscribeInfo !== undefined;
  const moderator = badgeModerator || identity?.isModeratorOfAnchor === true || user.userAttr?.isAdmin === true;
  const subscriber =
    badgeSubscriber || identity?.isSubscriberOfAnchor === true || user.isSubscribe || user.subscribeInfo?.isSubscribedToAnchor === true;
  return {
    id: userIdOf(user),
    uniqueId: trim.textIfAny(user.displayId),
    nickname: trim.textIfAny(user.nickname),
    avatarUrl: trim.image(user.avatarThumb, user.avatarMedium, user.avatarLarge),
    isModerator: moderator || (knowsModerators ? false : undefined),
    isSubscriber: subscriber || (knowsSubscribers ? false : undefined),
    followRole: followRole(user, identity),
    isVerified: user.verified || undefined,
    gifterLevel,
    fanLevel,
  };
}

/** The id of a user; undefined where TikTok does not say it: such users are not one. */
export function userIdOf(user: Pick<LeanUser, 'id' | 'idStr'>): string | undefined {
  return idIfAny(user.id) ?? idIfAny(user.idStr);
}

/** 0 none, 1 follower, 2 friends. The message's own statement about the host comes before the user's status. */
function followRole(user: LeanUser, identity: LeanIdentity | undefined): number | undefined {
  if (identity) return identity.isMutualFollowingWithAnchor ? 2 : identity.isFollowerOfAnchor ? 1 : 0;
  if (!user.followInfo) return undefined;
  const status = Number(user.followInfo.followStatus);
  return status === 2 ? 2 : status > 0 ? 1 : 0;
}
