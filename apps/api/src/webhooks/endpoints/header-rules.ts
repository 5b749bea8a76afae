import { registerDecorator, type ValidationArguments } from 'class-validator';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Visible ASCII with inner spaces and tabs: no line break can end the header, no other byte can mean two things. */
const VALUE = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/;
const HEADERS_MAX = 20;
const VALUE_CHARACTERS_MAX = 2_000;
const ALL_CHARACTERS_MAX = 8_000;

/** What the connection, the body and the standard need for themselves. */
const RESERVED = new Set([
  ...[
    'host',
    'content-type',
    'content-length',
    'content-encoding',
    'transfer-encoding',
    'connection',
    'keep-alive',
    'upgrade',
    'te',
    'trailer',
  ],
  ...['expect', 'http2-settings', 'user-agent', 'forwarded', 'via', 'accept-encoding', 'range', 'date'],
]);
const RESERVED_PREFIXES = ['webhook-', 'svix-', 'proxy-', 'sec-', 'x-forwarded-', 'ce-', ':'];

/** What is wrong with a set of custom headers; undefined when nothing is. */
export function headerProblem(headers: unknown): string | undefined {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return 'must be an object of header names and values';
  const entries = Object.entries(headers as Record<string, unknown>);
  if (entries.length > HEADERS_MAX) return `must hold at most ${HEADERS_MAX} headers`;
  const seen = new Set<string>();
  let characters = 0;
  for (const [name, value] of entries) {
    const shown = JSON.stringify(name.slice(0, 50));
    const lower = name.toLowerCase();
    if (!TOKEN.test(name)) return `has a name that is none: ${shown}`;
    if (RESERVED.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix))) return `may not set ${shown}`;
    if (seen.has(lower)) return `has ${shown} twice`;
    seen.add(lower);
    if (typeof value !== 'string' || value.length > VALUE_CHARACTERS_MAX || !VALUE.test(value)) {
      return `${shown} must be visible ASCII of at most ${VALUE_CHARACTERS_MAX} characters, without line breaks`;
    }
    characters += name.length + value.length;
  }
  return characters > ALL_CHARACTERS_MAX ? `must have at most ${ALL_CHARACTERS_MAX} characters in all` : undefined;
}

const KEYS_MAX = 50;
const KEY_CHARACTERS_MAX = 40;
const TEXT_CHARACTERS_MAX = 500;

/** What is wrong with metadata; undefined when nothing is. */
export function metadataProblem(metadata: unknown): string | undefined {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return 'must be an object of texts';
  const entries = Object.entries(metadata as Record<string, unknown>);
  if (entries.length > KEYS_MAX) return `must hold at most ${KEYS_MAX} entries`;
  for (const [key, value] of entries) {
    if (key.length === 0 || key.length > KEY_CHARACTERS_MAX) return `must have keys of 1 to ${KEY_CHARACTERS_MAX} characters`;
    if (typeof value !== 'string' || value.length > TEXT_CHARACTERS_MAX)
      return `${JSON.stringify(key)} must be a text of at most ${TEXT_CHARACTERS_MAX} characters`;
    if (/[\0\p{Cs}]/u.test(key + value)) return 'must not hold NUL or half characters';
  }
  return undefined;
}

/** Checks a field with `problem`, whose text follows the name of the field in the answer. */
export const ValidWith =
  (name: string, problem: (value: unknown) => string | undefined): PropertyDecorator =>
  (target, property) =>
    registerDecorator({
      name,
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: (value: unknown) => problem(value) === undefined,
        defaultMessage: ({ property: field, value }: ValidationArguments) => `${field} ${problem(value) ?? ''}`,
      },
    });
