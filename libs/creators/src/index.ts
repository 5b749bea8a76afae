export { type SeenWorker, StatusBoard, WorkerBoard } from './boards.js';
export { type Lease, type LeaseKeys, LeaseManager, type LeaseManagerOptions, type LeaseStats } from './leases.js';
export { forgetRemoved } from './forget.js';
export {
  OfferBoard,
  type OfferBoardOptions,
  type OfferedCreator,
  type OfferState,
  type TakenOffer,
  type Transfer,
  type TransferResult,
} from './offers.js';
export { CreatorProjection } from './projection.js';
export { type Box, type CreatorSecrets, hasSecrets, openSecrets, type OpenedSecrets, sealSecret } from './secrets.js';
export { fairShare, movesNow, type Share } from './share.js';
export {
  CREATOR_STATES,
  type CreatorCounters,
  type CreatorOptions,
  type CreatorProblem,
  type CreatorRecord,
  type CreatorState,
  type CreatorStatus,
  emptyCounters,
  type LastSeen,
  type WorkerCounters,
  type WorkerRecord,
} from './types.js';
