import type { GenericData } from '@tributary/events';
import type { ImageModel, User } from 'tiktok-live-proto/v3';
import type { FieldLimiter } from '../field-limiter.js';
import { storable } from '../field-values.js';
import { personOf } from './people.js';

/** Size of the JSON of one generic event, in bytes (the escapes of JSON aside). */
const BYTES_MAX = 32_768;
/** Longer byte fields are left out: they are images or other protobuf. */
const BASE64_BYTES_MAX = 1_024;
const DEPTH_MAX = 24;

type Plain = string | number | boolean | Plain[] | { [field: string]: Plain };

/**
 * A decoded message as plain JSON under the protobuf's own names, without empty fields: users in our form, images as
 * an address of theirs, bytes as bounded base64. What goes beyond 32 KB is left out, and `truncated` says so.
 */
export function genericOf(message: object, trim: FieldLimiter): GenericData {
  // Of `common` the shown text is kept: the envelope has the rest, or it serves TikTok's own clients only.
  const { common, ...rest } = message as { common?: { displayText?: object } };
  const writer = new GenericWriter(trim);
  return writer.fields({ ...(common?.displayText ? { common: { displayText: common.displayText } } : {}), ...rest }, 1, false) ?? {};
}

class GenericWriter {
  private left = BYTES_MAX;

  constructor(private readonly trim: FieldLimiter) {}

  /** Takes bytes from what is left; false when it is not enough. */
  private spend(bytes: number): boolean {
    if (bytes > this.left) {
      this.trim.truncated = true;
      return false;
    }
    this.left -= bytes;
    return true;
  }

  /** The value without what is empty; undefined when nothing remains, or there is no room for it. */
  private plain(value: unknown, depth: number): Plain | undefined {
    switch (typeof value) {
      case 'string':
        return this.text(value);
      case 'number':
        return value !== 0 && Number.isFinite(value) && this.spend(12) ? value : undefined;
      case 'boolean':
        return value && this.spend(5) ? value : undefined;
      case 'object':
        return value === null ? undefined : this.composite(value, depth);
      default:
        return undefined;
    }
  }

  private text(value: string): string | undefined {
    if (value === '' || value === '0') return undefined;
    const clean = this.trim.text(value);
    return this.spend(Buffer.byteLength(clean) + 3) ? clean : undefined;
  }

  private composite(value: object, depth: number): Plain | undefined {
    if (this.left <= 0 || depth > DEPTH_MAX) {
      this.trim.truncated = true;
      return undefined;
    }
    if (value instanceof Uint8Array) return this.bytes(value);
    if (Array.isArray(value)) return this.list(value, depth);
    if (isImage(value)) return this.text(this.trim.image(value) ?? '');
    return isUser(value) ? this.fields(personOf(this.trim, value) ?? {}, depth, true) : this.fields(value, depth, false);
  }

  private bytes(value: Uint8Array): string | undefined {
    if (value.length === 0) return undefined;
    if (value.length > BASE64_BYTES_MAX) {
      this.trim.truncated = true;
      return undefined;
    }
    return this.text(Buffer.from(value).toString('base64'));
  }

  /** Elements keep their place: an empty one becomes an empty object or text, as long as others follow it. */
  private list(values: readonly unknown[], depth: number): Plain[] | undefined {
    const kept: Plain[] = [];
    for (const value of values) {
      if (!this.spend(3)) break;
      kept.push(this.plain(value, depth + 1) ?? emptyOf(value));
    }
    return kept.length > 0 ? kept : undefined;
  }

  /** The fields that are not empty. Of a user, what is false or 0 is said too. */
  fields(value: object, depth: number, ofUser: boolean): { [field: string]: Plain } | undefined {
    const kept: { [field: string]: Plain } = {};
    let any = false;
    for (const [field, inner] of Object.entries(value)) {
      const cost = field.length + 4;
      if (!this.spend(cost)) break;
      const part = ofUser && (inner === false || inner === 0) ? (inner as Plain) : this.plain(inner, depth + 1);
      if (part === undefined) {
        this.left += cost;
        continue;
      }
      kept[storable(field)] = part;
      any = true;
    }
    return any ? kept : undefined;
  }
}

function emptyOf(value: unknown): Plain {
  if (typeof value === 'string') return value === '0' ? value : '';
  if (typeof value === 'boolean') return value;
  return typeof value === 'number' ? 0 : {};
}

function isImage(value: object): value is ImageModel {
  return 'urlList' in value && 'uri' in value && Array.isArray(value.urlList);
}

function isUser(value: object): value is User {
  return 'displayId' in value && 'badgeList' in value && 'secUid' in value;
}
