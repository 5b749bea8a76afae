import { Transform } from 'class-transformer';
import { IsInt, IsNumber, Matches, Max, Min } from 'class-validator';

/** One row of the README's configuration table. */
export interface SettingDoc {
  env: string;
  field: string;
  about: string;
  secret: boolean;
}

/** Every setting with its variable; filled by the declarations below. */
export const settings: SettingDoc[] = [];

/** Binds a field to its environment variable. The order of declaration is the order of the table. */
export const Setting =
  (env: string, about: string, secret = false): PropertyDecorator =>
  (_target, field) => {
    settings.push({ env, field: String(field), about, secret });
  };

export const list = ({ value }: { value: unknown }) =>
  typeof value === 'string'
    ? value
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean)
    : value;
export const bool = ({ value }: { value: unknown }) =>
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
export const httpUrl = { protocols: ['http', 'https'], require_tld: false, require_protocol: true };

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
