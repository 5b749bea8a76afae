import type { StoredEvent } from '@tributary/events';
import type { Pool } from 'pg';

/** Adds a value to the parameters of a statement. @returns its placeholder */
export type Bind = (value: unknown) => string;

/** What values a parameter takes; others are refused. */
export type ParameterFormat =
  /** One text, of `lengthMax` characters at most, or as `pattern` says. */
  | { kind: 'text'; lengthMax: number; pattern?: { regex: RegExp; expected: string } }
  /** A list of texts; of `of` ("creator") there is one at least. */
  | { kind: 'texts'; of: string; itemsMax: number; lengthMax: number }
  /** A list of event types, or patterns with a trailing `*`. */
  | { kind: 'types' }
  /** A date and time of ISO 8601. */
  | { kind: 'instant' };

/** The parameter by which consumers ask for a field. */
export interface FilterParameterDefinition {
  readonly name: string;
  readonly description: string;
  readonly format: ParameterFormat;
  readonly example?: string | string[];
}

/** The same as a setting, which is shown too. */
export interface FilterSetting extends FilterParameterDefinition {
  /** Describes the value where the setting is shown; it is null where the field is not asked for. */
  readonly shown: string;
}

/** Finds the creators that a parameter names. */
export interface CreatorLookup {
  /**
   * Internal ids of creators named by id or handle.
   * @param field the parameter, for the error
   * @throws Problem for one that was never monitored, or that the caller may not see
   */
  creatorIds(refs: readonly string[], field: string): Promise<string[]>;
}

/** How those who wait for events are found without looking at each: by keys that their filter and an event have in common. */
export interface FilterKeys<V> {
  /** Keys of a filter with this value; none where no event can pass. */
  of(value: V): Iterable<string>;
  /** Keys of an event. Missing: the key is a value of the field, and each different one is tested once for each event. */
  ofEvent?(event: StoredEvent): Iterable<string>;
}

/** A condition whose rows an index of `events`, aliased `e`, has in the order of the log. */
export type IndexedCondition = (bind: Bind) => string;

/**
 * One thing that consumers may ask of events, with everything that is known of it. {@link sql} and {@link test} must agree for every
 * value and event: filter-equality.int-spec.ts proves it for each field.
 */
export interface FilterField<V> {
  /** A parameter of lists, exports and live streams. */
  readonly query: FilterParameterDefinition;
  /** A setting of webhook endpoints, stored as JSON; null: endpoints do not have it. */
  readonly setting: FilterSetting | null;
  /** What a value of the right format means; undefined: nothing is asked. Missing: the value itself. `name`: that of the parameter. */
  read?(value: unknown, name: string, lookup: CreatorLookup): V | undefined | Promise<V | undefined>;
  /** What is expected instead, where the value contradicts another field. */
  conflict?(value: V, filter: Readonly<Record<string, unknown>>): string | undefined;

  /** Whether every event passes, as if nothing was asked. */
  matchesAll?(value: V): boolean;
  /** Whether no event can pass. */
  matchesNone?(value: V): boolean;
  /** The condition over the columns of `events`. */
  sql(value: V, bind: Bind): string;
  /** A test of events in memory, made once for many of them. */
  test(value: V): (event: StoredEvent) => boolean;

  /** Null: those who ask for this field alone are tested with every event. */
  readonly keys: readonly FilterKeys<V>[] | null;
  /**
   * Conditions that exclude each other, in the place of {@link sql}: rows are merged in the order of the log. Undefined where no index helps,
   * and a bounded stretch of the log is looked through. Null: never.
   */
  readonly indexedConditions: ((value: V) => IndexedCondition[] | undefined) | null;
  /** A page is found at once by this field alone. */
  readonly isQuick?: boolean;
  /** An index that {@link indexedConditions} need and that databases of an earlier version may still be building. */
  readonly lateIndex?: string;
  /** The same value in terms of what is stored, for `sql` and `indexedConditions`. */
  stored?(value: V, database: Pick<Pool, 'query'>): Promise<V>;
  /** The times of receipt that events have at least (`since`) and stay below (`before`). */
  span?(value: V): { since?: Date; before?: Date };
}
