import { type Config, ConfigError } from '@tributary/runtime';
import { PROVIDER_NAMES, type ProviderName } from './provider.js';

/** How one provider is used. */
export interface ProviderOptions {
  /** Time for one request, queue included. */
  timeoutMs: number;
  /** Requests at once. */
  concurrency: number;
  /** `http://` or `https://` address of a proxy, with credentials if need be. */
  proxy?: string;
  /** For clients that name none; the provider's own choice without it. */
  userAgent?: string;
}

type Given = Partial<Record<keyof ProviderOptions, unknown>>;

/** A page is a browser tab: it is slower, and there are few. */
const CONCURRENCY: Record<ProviderName, number> = { page: 4, 'page-sign': 8, anonymous: 64, remote: 32, simulator: 128 };
const PAGE_TIMEOUT_MS = 8_000;

/**
 * The options of every provider: defaults, with what SIGN_PROVIDER_OPTIONS says.
 * @throws ConfigError that names the wrong member and what was expected
 */
export function providerOptions(config: Config): Record<ProviderName, ProviderOptions> {
  const wrong = (path: string, expected: string) => new ConfigError(`SIGN_PROVIDER_OPTIONS: ${path}: expected ${expected}`);
  const given = config.signProviderOptions;
  for (const name of Object.keys(given)) {
    if (!PROVIDER_NAMES.some((known) => known === name)) throw wrong(name, `one of ${PROVIDER_NAMES.join(', ')}`);
  }
  const entries = PROVIDER_NAMES.map((name): [ProviderName, ProviderOptions] => {
    const own = given[name] ?? {};
    if (typeof own !== 'object' || Array.isArray(own)) throw wrong(name, 'an object');
    const members = own as Given;
    const number = (member: 'timeoutMs' | 'concurrency', fallback: number, min: number, max: number) => {
      const value = members[member] ?? fallback;
      if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
        throw wrong(`${name}.${member}`, `a whole number from ${min} to ${max}`);
      }
      return value as number;
    };
    const text = (member: 'proxy' | 'userAgent', pattern: RegExp, expected: string) => {
      const value = members[member];
      if (value === undefined) return undefined;
      if (typeof value !== 'string' || !pattern.test(value)) throw wrong(`${name}.${member}`, expected);
      return value;
    };
    for (const member of Object.keys(members)) {
      if (!['timeoutMs', 'concurrency', 'proxy', 'userAgent'].includes(member)) {
        throw wrong(`${name}.${member}`, 'timeoutMs, concurrency, proxy or userAgent');
      }
    }
    const slow = name === 'page' || name === 'page-sign';
    return [
      name,
      {
        timeoutMs: number('timeoutMs', slow ? Math.max(PAGE_TIMEOUT_MS, config.signTimeoutMs) : config.signTimeoutMs, 50, 120_000),
        concurrency: number('concurrency', CONCURRENCY[name], 1, 10_000),
        proxy: text('proxy', /^https?:\/\/[^\s/]+\/?$/, 'an address such as http://user:password@proxy.example:8080'),
        userAgent: text('userAgent', /^[\x20-\x7e]{10,512}$/, '10 to 512 printable ASCII characters'),
      },
    ];
  });
  return Object.fromEntries(entries) as Record<ProviderName, ProviderOptions>;
}

/** The provider that runs in the shadow and the share of requests it gets; undefined for none. */
export function shadowOptions(config: Config): { name: ProviderName; share: number } | undefined {
  if (config.signShadow === '') return undefined;
  const [text = '', share = ''] = config.signShadow.split(':');
  const name = PROVIDER_NAMES.find((known) => known === text);
  if (!name) throw new ConfigError(`SIGN_SHADOW: ${text}: expected one of ${PROVIDER_NAMES.join(', ')}`);
  return Number(share) > 0 ? { name, share: Number(share) } : undefined;
}
