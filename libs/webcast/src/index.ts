export { untilAborted } from './abort.js';
export { type SocketBundle } from './connection/socket-plan.js';
export {
  type SocketFailure,
  type ConnectResult,
  type EndReason,
  type Refusal,
  type ConnectionEnd,
} from './connection/connection-outcome.js';
export { RoomConnection, type RoomConnectionOptions, type ConnectionLimits, type ConnectionStats } from './connection/room-connection.js';
export { HIDDEN, proxyDispatcher, type ProxyGuard, type ProxyResult, type ProxyRoute, readProxy } from './proxy/proxy.js';
export { isUniqueId, readUniqueId, type UniqueIdResult } from './rooms/unique-id.js';
export { type WireMessage } from './frame/wire-message.js';
export {
  type RequestIdentity,
  type Block,
  CHECK_ALIVE_ROOMS_MAX,
  type CheckAliveResult,
  type ResolveMethod,
  type ResolveResult,
  RoomResolver,
  type RoomInfoResult,
  type RoomResolverOptions,
  type SignedRoom,
} from './rooms/room-resolver.js';
export { browserParams, DEFAULT_LOCALE, type SocketLocale } from './connection/browser-params.js';
export { readLivePage } from './rooms/room-answers.js';
export { isTikTokHost } from './connection/tiktok-hosts.js';
export { type ConnectionLogger } from './connection/room-connection.js';
export { type NormaliserCounters, RoomNormaliser, type RoomNormaliserOptions } from './normalise/room-normaliser.js';
export { GiftPrices } from './normalise/counts/gift-prices.js';
export { RecentIds } from './normalise/recent-ids.js';
export { storable } from './normalise/field-values.js';
export { type RoomState } from './normalise/event-builder.js';
