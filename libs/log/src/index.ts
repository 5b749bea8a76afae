export { type BatchOutcome, outcomeOf } from './batch-outcome.js';
export { decodeCursor, encodeCursor, type Position } from './cursor.js';
export { type FeedBatch, FeedReader, FeedWriter } from './feed.js';
export { LogKeys } from './log-keys.js';
export { disagreementOnPartitions, inboxBytes } from './redis-limits.js';
export { InboxProducer, type InboxProducerOptions, type ProducerStats } from './producer/inbox-producer.js';
export type { RefusedEvent } from './producer/partition-queue.js';
export type { LogLogger } from './producer/run-appender.js';
export type { LostPeriod } from './spool/replay-losses.js';
export type { SpoolSettings, SpoolStats } from './spool/spool.js';
export type { SegmentFile } from './spool/partition-log.js';
export {
  type InboxBatch,
  type InboxEntry,
  InboxReader,
  type InboxReaderOptions,
  type PartitionPosition,
  type Positions,
} from './reader/inbox-reader.js';
export { FEED, INBOX, LogContext, LogTransport, type LogTransportOptions, type PositionSource } from './transport.js';
