import { createHash, randomBytes } from 'node:crypto';

/** What a key may do. `admin` includes every other scope. */
export const SCOPES = ['read', 'creators:write', 'webhooks:read', 'webhooks:write', 'sign', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Scopes that another scope includes. */
const IMPLIED: Partial<Record<Scope, readonly Scope[]>> = { 'webhooks:write': ['webhooks:read'] };

/** What a key is limited to. Groups of creators will be a further member. */
export interface Restriction {
  /** Internal ids of the creators that it may see and change: one or more. */
  creators: readonly string[];
}

/** A key as the system knows it; the key itself is shown once and never stored. */
export interface KeyRecord {
  id: string;
  name: string;
  scopes: readonly Scope[];
  /** Missing: every creator. */
  restriction?: Restriction;
  /** Present handles of the creators of `restriction` that are monitored: the signer knows creators by their handles. */
  handles?: readonly string[];
  /** ms since 1970. From then on the key is refused. Missing: never. */
  expiresAt?: number;
}

/** Creators that one key can be limited to. */
export const KEY_CREATORS_MAX = 1_000;

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Makes an API key: `trib_` and 32 base62 characters (190 bits of randomness). */
export function newKey(): string {
  let text = '';
  while (text.length < 32) {
    for (const byte of randomBytes(48)) {
      // 248 = 4 * 62: a higher byte would favour the first letters.
      if (byte < 248 && text.length < 32) text += ALPHABET[byte % 62];
    }
  }
  return `trib_${text}`;
}

/** The form in which a key is stored and looked up: sha256, hex. Keys are random, so that no salt is needed. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Whether a key with these scopes may do what `needed` allows. Its restriction is another question. */
export function allows({ scopes }: Pick<KeyRecord, 'scopes'>, needed: Scope): boolean {
  return scopes.some((scope) => scope === 'admin' || scope === needed || IMPLIED[scope]?.includes(needed));
}

/** Whether the time of a key has not ended. */
export function isInTime({ expiresAt }: Pick<KeyRecord, 'expiresAt'>, now = Date.now()): boolean {
  return expiresAt === undefined || now < expiresAt;
}

/**
 * Reads a stored restriction whole. `malformed` where it is none, or has a member that this version does not know: a key
 * with such a restriction must be refused, because what it is limited to cannot be told.
 */
export function readRestriction(value: unknown): Restriction | 'malformed' {
  if (!isObject(value) || Object.keys(value).join() !== 'creators') return 'malformed';
  const { creators } = value;
  return isTexts(creators) && creators.length > 0 && creators.length <= KEY_CREATORS_MAX ? { creators } : 'malformed';
}

const MEMBERS: ReadonlySet<string> = new Set<keyof KeyRecord>(['id', 'name', 'scopes', 'restriction', 'handles', 'expiresAt']);

/** Reads a key's record from JSON; undefined where it is none, or has a member that this version does not know. */
export function readKeyRecord(text: string): KeyRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || Object.keys(value).some((name) => !MEMBERS.has(name))) return undefined;
  const { id, name, scopes, restriction, handles, expiresAt } = value;
  if (typeof id !== 'string' || typeof name !== 'string' || !isTexts(scopes)) return undefined;
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) return undefined;
  const limit = restriction === undefined ? undefined : readRestriction(restriction);
  if (limit === 'malformed' || (handles !== undefined && !isTexts(handles))) return undefined;
  // One is useless without the other.
  if ((limit === undefined) !== (handles === undefined)) return undefined;
  return {
    id,
    name,
    scopes: scopes as Scope[],
    ...(limit ? { restriction: limit, handles: handles as string[] } : {}),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt as number }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((part) => typeof part === 'string');
}
