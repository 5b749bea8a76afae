export { bundleFault, cookiePairs, retryAfterMs } from './answer.js';
export { HttpSigner, type HttpSignerOptions, type SignedUrl, type SignUrlQuery, type SignUrlResult } from './http-signer.js';
export { LocalSigningError, LocalSigningProvider, type SignedWebSocket, type SignedWebSocketParams } from './local-provider.js';
export type {
  AnswerFault,
  BundleQuery,
  BundleResult,
  ConnectBundle,
  RoomIdResult,
  SignFailure,
  SignFailureReason,
  Signer,
} from './signer.js';
export { type LocalSignerOptions, useLocalSigner } from './use-local-signer.js';
