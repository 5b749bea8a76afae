export { untilAborted } from './abort.js';
export { type SocketBundle } from './bundle.js';
export { type ConnectFailure, type ConnectResult, type EndReason, type Refusal, type SessionEnd } from './outcome.js';
export { RoomSession, type RoomSessionOptions, type SessionLimits, type SessionStats } from './session.js';
export { HIDDEN, proxyDispatcher, type ProxyResult, readProxy } from './proxy.js';
export { readUniqueId, type UniqueIdResult } from './unique-id.js';
export { type WireMessage } from './wire.js';
export {
  type Asker,
  type Block,
  CHECK_ALIVE_ROOMS_MAX,
  type CheckAliveResult,
  type ResolveMethod,
  type ResolveResult,
  RoomResolver,
  type RoomInfoResult,
  type RoomResolverOptions,
  type SignedRoom,
} from './resolver.js';
export { browserParams, DEFAULT_LOCALE, type SocketLocale } from './device.js';
export { readLivePage } from './room-answers.js';
export { isTikTokHost } from './tiktok-hosts.js';
export { type SessionLogger } from './session.js';
export { type NormaliserCounters, RoomNormaliser, type RoomNormaliserOptions } from './normalise/normaliser.js';
export { GiftPrices } from './normalise/gift-prices.js';
export { RecentIds } from './normalise/recent-ids.js';
export { storable } from './normalise/clean.js';
export { type RoomState } from './normalise/scope.js';
