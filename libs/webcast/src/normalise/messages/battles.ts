import type { BattleSetting, BattleTeamUser, BattleUserArmies, WebcastLinkMicArmies, WebcastLinkMicBattle } from 'tiktok-live-proto/v3';
import { count, countIfAny, idIfAny, instant, wordOf } from '../field-values.js';
import type { EventBuilder } from '../event-builder.js';

const STATUSES = ['not-started', 'started', 'finished', 'punish', 'punish-finished'] as const;
const RESULTS = ['win', 'lose', 'draw'] as const;
const REASONS = ['other', 'score', 'end', 'opt-out', 'keep-alive', 'effect'] as const;
const ACTIONS = [
  'other',
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
] as const;

export function linkMicBattle(message: WebcastLinkMicBattle, room: EventBuilder): void {
  const { trim } = room;
  room.emit('tiktok.live.linkMicBattle', {
    ...battleOf(message.battleId, message.battleSettings),
    action: wordOf(ACTIONS, message.action),
    actionCode: count(message.action),
    hosts: trim.list(message.anchorsInfo, ({ key, value }) => ({
      id: idIfAny(value?.user?.userId) ?? idIfAny(key),
      uniqueId: trim.textIfAny(value?.user?.displayId),
      nickname: trim.textIfAny(value?.user?.nickName),
      avatarUrl: trim.image(value?.user?.avatarThumb),
    })),
    results: trim.list(Object.entries(message.battleResult), ([key, { userId, result, score }]) => ({
      userId: idIfAny(userId) ?? idIfAny(key),
      result: wordOf(RESULTS, result),
      score: count(score),
    })),
    armies: trim.list(message.armies, ({ key, value }) => armyOf(key, value, room)),
    teams: trim.listIfAny(message.teamBattleResult, ({ teamId, teamUser, totalScore, result }) => ({
      ...teamOf(teamId, totalScore, teamUser, room),
      result: wordOf(RESULTS, result),
    })),
  });
}

export function linkMicArmies(message: WebcastLinkMicArmies, room: EventBuilder): void {
  room.emit('tiktok.live.linkMicArmies', {
    ...battleOf(message.battleId, message.battleSettings),
    reason: wordOf(REASONS, message.triggerReason),
    armies: room.trim.list(Object.entries(message.armies), ([key, value]) => armyOf(key, value, room)),
    teams: room.trim.listIfAny(message.teamArmies, ({ teamId, teamUser, teamTotalScore }) =>
      teamOf(teamId, teamTotalScore, teamUser, room),
    ),
    fromUserId: idIfAny(message.fromUserId),
    giftId: idIfAny(message.giftId),
    giftCount: countIfAny(message.giftCount),
    diamonds: countIfAny(message.totalDiamondCount),
  });
}

function battleOf(battleId: string, settings: BattleSetting | undefined) {
  return {
    battleId: idIfAny(battleId) ?? idIfAny(settings?.battleId) ?? '0',
    startedAt: instant(settings?.startTimeMs),
    durationSeconds: countIfAny(settings?.duration),
    status: settings ? wordOf(STATUSES, settings.status) : ('other' as const),
  };
}

function armyOf(key: string, army: BattleUserArmies | undefined, room: EventBuilder) {
  return {
    hostId: idIfAny(key) ?? idIfAny(army?.anchorIdStr),
    score: count(army?.hostscore ?? 0),
    top: room.trim.list(army?.userArmies ?? [], (one) => ({
      userId: idIfAny(one.userId) ?? idIfAny(one.userIdStr),
      nickname: room.trim.textIfAny(one.nickname),
      avatarUrl: room.trim.image(one.avatarThumb),
      score: count(one.score),
    })),
  };
}

function teamOf(teamId: string, score: string, users: readonly BattleTeamUser[], room: EventBuilder) {
  return {
    teamId: idIfAny(teamId) ?? '0',
    score: count(score),
    userIds: room.trim.list(users, ({ userId, userIdStr }) => idIfAny(userId) ?? idIfAny(userIdStr)).filter((id) => id !== undefined),
  };
}
