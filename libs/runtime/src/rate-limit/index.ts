export { type BucketVerdict } from './local-buckets.js';
export { GroupedTakes } from './grouped-takes.js';
export { Peers } from './peers.js';
export { SharedBuckets } from './shared-buckets.js';
export { SharedSlots } from './shared-slots.js';
export { WrongKeys } from './wrong-keys.js';
