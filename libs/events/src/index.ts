export {
  assertCatalogComplete,
  type DataOf,
  dataProblems,
  dataSchema,
  EVENT_TYPES,
  type EventType,
  isEventType,
  type JsonSchema,
  type TypedEvent,
  unknownPatterns,
} from './catalog.js';
export { jsonSchemas } from './catalog-docs.js';
export { type Envelope, EnvelopeWriter, type EventDraft, type StoredEvent, toEnvelope } from './envelope.js';
export { TEXT_LENGTH_MAX } from './types/fields.js';
export { dayOfEvent, messageEventId, monitorEventId, snowflakeTime, UNDATED } from './ids.js';
export { matchesType } from './type-pattern.js';
export { GAP_REASONS, type GapReason, UNWATCHED_REASONS, type UnwatchedReason } from './types/monitor.js';
export type { GenericData } from './types/generic.js';
