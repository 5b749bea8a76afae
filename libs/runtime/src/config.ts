import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { type SettingDoc, settings } from './setting-rules.js';
import { Config } from './settings.js';

export { Config };

/** The settings in the order they are declared, with their defaults, for docs. @public */
export function describeSettings(): (SettingDoc & { default: string })[] {
  const defaults = new Config() as unknown as Record<string, unknown>;
  return settings.map((doc) => ({ ...doc, default: shown(defaults[doc.field]) }));
}

const shown = (value: unknown): string =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? JSON.stringify(value) : String(value);

/** Thrown by {@link loadConfig}: one sentence that names each setting that is wrong, and what is allowed. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads the configuration from environment variables. The only place that reads `process.env`. A secret may also be in a
 * file that `<NAME>_FILE` names, as containers mount them.
 * @throws ConfigError that names each bad variable and what was expected.
 */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const given: Record<string, string> = {};
  for (const { env: name, field, secret } of settings) {
    const value = env[name] || (secret ? readSecretFile(name, env[`${name}_FILE`]) : undefined);
    if (value !== undefined && value !== '') given[field] = value;
  }
  const config = plainToInstance(Config, given, { exposeDefaultValues: true });
  const problems = validateSync(config).flatMap((error) => {
    const name = settings.find((doc) => doc.field === error.property)?.env ?? error.property;
    const texts = new Set(Object.values(error.constraints ?? {}).map((text) => text.replace(error.property, 'the value')));
    return [...texts].map((text) => `${name}: ${text}`);
  });
  if (problems.length > 0) throw new ConfigError(`configuration is wrong: ${problems.join('; ')}`);
  return config;
}

function readSecretFile(name: string, path: string | undefined): string | undefined {
  if (!path) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(`configuration is wrong: ${name}_FILE: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** The configuration as it is in force, with secrets masked, for one log line at start. */
export function maskedConfig(config: Config): Record<string, unknown> {
  const values = config as unknown as Record<string, unknown>;
  return Object.fromEntries(settings.map(({ field, secret }) => [field, secret ? maskSecret(values[field]) : values[field]]));
}

/** Only addresses with these schemes are shown in part: another text with a colon could be a secret. */
const ADDRESS = /^(redis|rediss|postgres|postgresql|http|https):\/\//;

/** `***`, or an address without user, password and query; empty stays empty: the secret is not set. */
function maskSecret(value: unknown): string {
  if (value === '') return '';
  if (typeof value !== 'string' || !ADDRESS.test(value) || !URL.canParse(value)) return '***';
  const { protocol, host, pathname, search, hash } = new URL(value);
  // A password with `/`, `?` or `#` that was not percent-encoded ends up behind the host, its `@` with it.
  return /@/.test(pathname + search + hash) ? '***' : `${protocol}//${host}${pathname}`;
}
