export { StatusStore } from './status/status-store.js';
export { type ListedWorker, WorkerRegistry } from './status/worker-registry.js';
export { type Lease, type LeaseKeys, LeaseManager, type LeaseManagerOptions, type LeaseStats } from './leases/lease-manager.js';
export { purgeRemovedCreators } from './leases/purge-removed.js';
export {
  HandoverOffers,
  type HandoverOffersOptions,
  type OfferedCreator,
  type OfferState,
  type TakenOffer,
  type Transfer,
  type TransferResult,
} from './handover/handover-offers.js';
export { CreatorProjection } from './projection/creator-projection.js';
export { type Box, type CreatorSecrets, hasSecrets, openSecrets, type OpenedSecrets, sealSecret } from './projection/creator-secrets.js';
export { fairShare, movesNow, type Share } from './leases/fair-share.js';
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
