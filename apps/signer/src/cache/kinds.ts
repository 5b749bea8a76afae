/** Rules for the values of one kind. They are stored in Redis as JSON, or as `encode` writes them. */
export interface CacheKind<T> {
  name: string;
  /** How long a value counts as new. 0: equal loads at the same time are still one, but the value is not kept. */
  freshMs: (value: T) => number;
  /** How long after that it is served while loading it anew fails. */
  staleMs: number;
  /** Values kept in Redis at most; those that expire first go first. */
  entriesMax: number;
  /** Kept in the process that loaded it, and in no other. */
  local?: boolean;
  /** About how many bytes a value takes in memory. */
  bytes?: (value: T) => number;
  encode?: (value: T) => string;
  decode?: (text: string) => T;
}

/** A value with its times, in ms since 1970. */
export interface Entry<T> {
  value: T;
  freshUntil: number;
  /** Past this it is not served at all. */
  keepUntil: number;
}

/** Record of an entry in Redis: `<freshUntil> <keepUntil> <value>`. */
export function writeEntry<T>(kind: CacheKind<T>, { value, freshUntil, keepUntil }: Entry<T>): string {
  return `${freshUntil} ${keepUntil} ${kind.encode ? kind.encode(value) : JSON.stringify(value)}`;
}

/** Undefined for a record that cannot be read: another version may have written it. */
export function readEntry<T>(kind: CacheKind<T>, record: string): Entry<T> | undefined {
  const [, fresh, keep, text] = /^(\d+) (\d+) (.*)$/s.exec(record) ?? [];
  if (text === undefined) return undefined;
  try {
    return {
      value: kind.decode ? kind.decode(text) : (JSON.parse(text) as T),
      freshUntil: Number(fresh),
      keepUntil: Number(keep),
    };
  } catch {
    return undefined;
  }
}
