import { TEXT_LENGTH_MAX } from '@tributary/events';
import { storable } from './field-values.js';
import { type Picture, pictureAddress } from './messages/pictures.js';

/** Longest list in a typed shape. TikTok sends up to 50 ranks; payloads have at most 50 KB. */
export const LIST_LENGTH_MAX = 100;

/** Bounds the strings and lists of one message, and remembers whether anything was truncated. */
export class FieldLimiter {
  /** Whether anything was truncated since {@link reset}; the event's field `truncated`. */
  truncated = false;

  reset(): void {
    this.truncated = false;
  }

  text(value: string): string {
    if (value.length > TEXT_LENGTH_MAX) {
      this.truncated = true;
      value = value.slice(0, TEXT_LENGTH_MAX);
    }
    return storable(value);
  }

  textIfAny(value: string | undefined): string | undefined {
    return value ? this.text(value) : undefined;
  }

  /** The best address of a picture that TikTok sends in several forms; the `uri` beside them is none. */
  image(...pictures: (Picture | undefined)[]): string | undefined {
    return this.textIfAny(pictureAddress(pictures));
  }

  list<T, R>(values: readonly T[], map: (value: T) => R): R[] {
    if (values.length <= LIST_LENGTH_MAX) return values.map(map);
    this.truncated = true;
    return values.slice(0, LIST_LENGTH_MAX).map(map);
  }

  /** A list that is absent when empty. */
  listIfAny<T, R>(values: readonly T[], map: (value: T) => R): R[] | undefined {
    return values.length === 0 ? undefined : this.list(values, map);
  }
}
