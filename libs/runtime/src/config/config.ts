import { readFileSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { type ProcessName, type SettingDoc, settings } from './setting-rules.js';
import { Config } from './settings.js';

export { Config, type ProcessName };

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
 * Reads the configuration of one process from environment variables. The only place that reads `process.env`. A secret may also
 * be in a file that `<NAME>_FILE` names, as containers mount them. A setting of other processes cannot stop this one: with a
 * wrong value it keeps its default here, and the files of their secrets are not read.
 * @param onIgnored called with one sentence for each setting of other processes that is wrong
 * @throws ConfigError that names each bad variable of this process and what was expected.
 */
export function loadConfig(
  name: ProcessName,
  env: Record<string, string | undefined> = process.env,
  onIgnored: (problem: string) => void = () => undefined,
): Config {
  const isOwn = ({ of }: SettingDoc) => of.includes(name);
  const given: Record<string, string> = {};
  for (const setting of settings) {
    const { field, secret } = setting;
    const value = env[setting.env] || (secret && isOwn(setting) ? readSecretFile(setting.env, env[`${setting.env}_FILE`]) : undefined);
    if (value !== undefined && value !== '') given[field] = value;
  }
  const config = plainToInstance(Config, given, { exposeDefaultValues: true });
  const wrong = problemsOf(config);
  const own = settings.filter((setting) => isOwn(setting) && wrong.has(setting.field)).map(({ field }) => wrong.get(field));
  if (own.length > 0) throw new ConfigError(`configuration is wrong: ${own.join('; ')}`);
  const defaults = new Config();
  for (const [field, problem] of wrong) {
    Reflect.set(config, field, Reflect.get(defaults, field));
    onIgnored(problem);
  }
  return config;
}

/** What is wrong with each field, as `NAME: expected ...`. */
function problemsOf(config: Config): Map<string, string> {
  const problems = new Map<string, string>();
  for (const { property, constraints = {} } of validateSync(config)) {
    const name = settings.find(({ field }) => field === property)?.env ?? property;
    problems.set(property, `${name}: ${[...new Set(Object.values(constraints))].join(', ')}`);
  }
  return problems;
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
