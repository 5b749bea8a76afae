import { Transform } from 'class-transformer';
import { isIP } from 'node:net';
import { ArrayNotEmpty, IsBoolean, IsIn, IsInt, IsNumber, IsUrl, Matches, Max, Min, ValidateBy } from 'class-validator';

/** One row of the README's configuration table. */
export interface SettingDoc {
  env: string;
  field: string;
  about: string;
  /** The processes that it is a setting of: only they refuse to start when it is wrong. */
  of: readonly ProcessName[];
  secret: boolean;
}

/** What reads a configuration. */
export type ProcessName = 'api' | 'ingest' | 'signer' | 'simulator' | 'admin';

/** Every process that listens. */
export const SERVERS: readonly ProcessName[] = ['api', 'ingest', 'signer', 'simulator'];

/** Every setting with its variable; filled by the declarations below. */
export const settings: SettingDoc[] = [];

/** Binds a field to its environment variable and to the processes that it is for. The order of declaration is that of the table. */
export const Setting =
  (env: string, about: string, of: readonly ProcessName[], { secret = false } = {}): PropertyDecorator =>
  (_target, field) => {
    settings.push({ env, field: String(field), about, of, secret });
  };

export const list = ({ value }: { value: unknown }) =>
  typeof value === 'string'
    ? value
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean)
    : value;
const bool = ({ value }: { value: unknown }) =>
  value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value;
export const json = ({ value }: { value: unknown }): unknown => {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
};
const int = ({ value }: { value: unknown }) => (typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value);
const decimal = ({ value }: { value: unknown }) => (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value);

/** A number within bounds. Every rule has the same message, so that a wrong value is reported once, with all bounds. */
const numeric =
  (kind: string, convert: typeof int, isKind: (options: { message: string }) => PropertyDecorator) =>
  (min: number, max: number): PropertyDecorator =>
  (target, field) => {
    const message = `expected ${kind} from ${min} to ${max}`;
    Transform(convert)(target, field);
    isKind({ message })(target, field);
    Min(min, { message })(target, field);
    Max(max, { message })(target, field);
  };
export const Bounded = numeric('a whole number', int, IsInt);
export const BoundedDecimal = numeric('a number', decimal, (options) => IsNumber({}, options));
export const Port = () => Bounded(0, 65_535);

/** One of a few words. */
export const OneOf = (words: readonly string[]): PropertyDecorator => IsIn(words, { message: `expected one of ${words.join(', ')}` });

/** Some of a few words, at least one, with commas between. */
export const SomeOf =
  (words: readonly string[]): PropertyDecorator =>
  (target, field) => {
    const message = `expected one or more of ${words.join(', ')}, with commas between`;
    Transform(list)(target, field);
    ArrayNotEmpty({ message })(target, field);
    IsIn(words, { each: true, message })(target, field);
  };

export const YesOrNo = (): PropertyDecorator => (target, field) => {
  Transform(bool)(target, field);
  IsBoolean({ message: 'expected true or false' })(target, field);
};

export const HttpUrl = (): PropertyDecorator =>
  IsUrl(
    { protocols: ['http', 'https'], require_tld: false, require_protocol: true },
    { message: 'expected a URL such as http://127.0.0.1:3001' },
  );

/** Networks in CIDR notation, with commas between. */
export const Networks = (): PropertyDecorator => networks('expected networks such as 10.1.0.0/16, with commas between', isNetwork);

/** The same for peers that are believed: single addresses too, and not the network of all addresses, which leaves nobody out. */
export const TrustedNetworks = (): PropertyDecorator =>
  networks('expected addresses or networks such as 10.1.0.0/16, with commas between', (text) => {
    if (typeof text !== 'string' || text.includes('%') || text.endsWith('/0')) return false;
    return isIP(text) !== 0 || isNetwork(text);
  });

function networks(message: string, validate: (text: unknown) => boolean): PropertyDecorator {
  return (target, field) => {
    Transform(list)(target, field);
    ValidateBy({ name: 'networks', validator: { validate } }, { each: true, message })(target, field);
  };
}

function isNetwork(text: unknown): boolean {
  const [, address = '', bits = ''] = (typeof text === 'string' && /^([^/]+)\/(\d{1,3})$/.exec(text)) || [];
  const version = isIP(address);
  return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128);
}

/** Web origins, each as a browser sends it: capitals and a slash at the end are forgiven, a path or `*` is not. */
export const Origins = (): PropertyDecorator => (target, field) => {
  Transform((given) => {
    const texts: unknown = list(given);
    return Array.isArray(texts) ? texts.map(asOrigin) : texts;
  })(target, field);
  const message = 'expected origins such as https://example.org, each without a path';
  Matches(/^https?:\/\/[^/\s*@?#]+$/, { each: true, message })(target, field);
};

/** `HTTPS://Example.org:443/` is `https://example.org`; what is no origin stays as it is, for the rule to refuse. */
function asOrigin(text: unknown): unknown {
  if (typeof text !== 'string' || !URL.canParse(text)) return text;
  const { origin, pathname, search, hash, username, password } = new URL(text);
  return origin !== 'null' && pathname === '/' && [search, hash, username, password].every((part) => part === '') ? origin : text;
}
