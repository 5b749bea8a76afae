export { type Envelope, type EventDraft, SCHEMA_VERSION, type StoredEvent, toEnvelope } from './envelope.js';
export { dayOfEvent, messageEventId, monitorEventId, snowflakeTime, UNDATED } from './ids.js';
