import type { CreatorRecord } from '@tributary/creators';
import type { StatusTracker } from '../status/status-tracker.js';
import type { CreatorPublisher } from './creator-publisher.js';

/** The creator that a session is for, as the parts of the session share it. */
export interface CreatorContext {
  /** The record as it is now: handle and options may change while the session runs. */
  record: () => CreatorRecord;
  publisher: CreatorPublisher;
  status: StatusTracker;
}
