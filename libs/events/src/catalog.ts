import type { Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { audience } from './types/audience.js';
import type { EventDraft } from './envelope.js';
import { matchesType } from './type-pattern.js';
import { monitor } from './types/monitor.js';
import { room } from './types/room.js';
import { unknown, untyped } from './types/generic.js';

const CATALOG = { ...audience, ...room, ...untyped, ...unknown, ...monitor };

/** Name of an event type: `tiktok.live.<name>` or `monitor.<name>`. */
export type EventType = keyof typeof CATALOG;

/** Data of one type. */
export type DataOf<T extends EventType> = Static<(typeof CATALOG)[T]['data']>;

/** An event whose `type` decides the shape of its `data`. */
export type TypedEvent = { [T in EventType]: Omit<EventDraft, 'type' | 'data'> & { type: T; data: DataOf<T> } }[EventType];

/** The part of JSON Schema (2020-12) that the catalog uses. */
export interface JsonSchema {
  title?: string;
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  enum?: string[];
  format?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
}

/** The catalog's entry of one type. `shape` is `typed` where we define the fields, `generic` where they are the protobuf's. */
export interface CatalogEntry {
  type: EventType;
  about: string;
  shape: 'typed' | 'generic';
  schema: JsonSchema;
}

/** Every event type, in the order of the documentation. */
export const EVENT_TYPES = Object.keys(CATALOG) as EventType[];

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(CATALOG, type);
}

/** JSON Schema of the data of one type. */
export function dataSchema(type: EventType): JsonSchema {
  return CATALOG[type].data;
}

/** What is wrong with the data of an event, one line for each field; empty when it has its catalogued shape. */
export function dataProblems(type: EventType, data: unknown): string[] {
  const problems = new Map<string, string>();
  for (const { path, message } of Value.Errors(CATALOG[type].data, data)) if (!problems.has(path)) problems.set(path, message);
  return [...problems].map(([path, message]) => `${path || '/'}: ${message}`);
}

/** Every type with its description and shape. */
export function catalogEntries(): CatalogEntry[] {
  return EVENT_TYPES.map((type) => ({
    type,
    about: CATALOG[type].about,
    shape: Object.hasOwn(untyped, type) ? 'generic' : 'typed',
    schema: CATALOG[type].data,
  }));
}

/**
 * Refuses a producer that can emit a type without an entry in the catalog. Call it at start, with every type it can emit.
 * @throws Error that names each type without an entry.
 */
export function assertCatalogComplete(mappedTypes: Iterable<string>): void {
  const missing = [...new Set(mappedTypes)].filter((type) => !isEventType(type));
  if (missing.length > 0) {
    throw new Error(
      `the event catalog has no entry for ${missing.join(', ')}: add it to libs/events/src, or map the message to a catalogued type`,
    );
  }
}

/**
 * The patterns of a filter that match no type. A caller answers them as errors, since such a filter would never match an event.
 */
export function unknownPatterns(patterns: readonly string[]): string[] {
  return patterns.filter((pattern) => !EVENT_TYPES.some((type) => matchesType(pattern, type)));
}
