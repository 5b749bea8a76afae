/** What the dashboard reads of events. A test compiles these beside the API's own description. */

export interface Person {
  uniqueId?: string;
  nickname?: string;
}

/** Data by type, as far as the dashboard reads it. */
export interface EventData {
  'tiktok.live.roomUser': { viewers: number };
  'tiktok.live.chat': { user?: Person; comment: string };
  'tiktok.live.question': { user?: Person; text: string };
  'tiktok.live.emote': { user?: Person };
  'tiktok.live.caption': { definite: boolean; texts: { text: string }[] };
  'tiktok.live.liveIntro': { text: string };
  'tiktok.live.roomPin': { action: string; comment?: string };
  'tiktok.live.gift': { user?: Person; count: number; name: string; totalDiamonds?: number };
  'tiktok.live.envelope': { display: string; sender?: Person; diamonds: number };
  'tiktok.live.subscribe': { user?: Person; notice: 'subscribed' | 'gifted' | 'expiring' | 'goal' | 'other'; months: number };
  'tiktok.live.superFan': { user?: Person; notice?: string };
  'tiktok.live.superFanJoin': { user?: Person };
  'tiktok.live.like': { user?: Person; count: number; roomLikes: number };
  'tiktok.live.member': { user?: Person };
  'tiktok.live.follow': { user?: Person };
  'tiktok.live.share': { user?: Person };
  'tiktok.live.control': { action: string };
  'tiktok.live.streamEnd': { reason: 'ended' | 'suspended' };
  'tiktok.live.goalUpdate': { description?: string; subGoals: { progress: number; target: number }[] };
  'tiktok.live.poll': { title?: string; phase: string };
  'tiktok.live.linkMicBattle': { action: string };
  'tiktok.live.imDelete': { messageIds: string[]; userIds: string[] };
  'monitor.live': { title?: string };
  'monitor.offline': { confirmedBy: string };
  'monitor.unwatched': { reason: UnwatchedReason };
  'monitor.connected': { worker: string; provider?: string };
  'monitor.disconnected': { durationMs: number; reason: string };
  'monitor.gap': { from: string; to: string; reason: GapReason; missedEstimate?: number };
  'monitor.error': { reason: string; message: string };
  'monitor.webhook': { endpoint: string; message: string };
}

export type GapReason = 'disconnect' | 'silence' | 'takeover' | 'blocked' | 'buffer-full' | 'paused' | 'shutdown';
export type UnwatchedReason = 'paused' | 'removed' | 'no-worker' | 'not-received' | 'end-missed';

/** What every event has, whatever its type. */
export interface Envelope {
  id: string;
  type: string;
  /** Internal id of the creator. */
  subject: string;
  /** Handle of the creator. */
  creator: string;
  roomid: string;
  receivedat: string;
  position: string;
}

/** An event of any type. Those of a type that {@link EventData} does not know have a user at most. */
export interface LiveEvent extends Envelope {
  data: { user?: Person };
}

export type EventOf<T extends keyof EventData> = LiveEvent & { type: T; data: EventData[T] };
