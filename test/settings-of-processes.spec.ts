import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { describeSettings } from '../libs/runtime/src/config/config.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const settings = describeSettings();
/** `config.redisUrl`, `this.config.redisUrl` */
const MEMBER = /\bconfig\.(\w+)/g;
/** `const { redisUrl } = config`, and a parameter `{ redisUrl }: Config` */
const TAKEN = /\{([^{}]*)\}(?:: Config\b| = (?:\w+\.)*config\b)/g;

/** The source of an app, without tests. */
function sourceOf(app: string): string[] {
  const folder = `${root}/apps/${app}/src`;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const own = files.filter((file) => !/\.(?:\w+-)?spec\.ts$|(?:^|\/)testing\//.test(file));
  return own.map((file) => readFileSync(`${folder}/${file}`, 'utf8'));
}

/** The settings that the source of an app takes from a configuration, by field. */
function readBy(app: string): Set<string> {
  const texts = sourceOf(app);
  const names = texts.flatMap((text) => [
    ...[...text.matchAll(MEMBER)].map(([, name = '']) => name),
    ...[...text.matchAll(TAKEN)].flatMap(([, names = '']) => names.split(',').map((part) => part.trim().split(':', 1).join(''))),
  ]);
  return new Set(names.filter((name) => settings.some(({ field }) => field === name)));
}

describe.each(['api', 'ingest', 'signer', 'simulator'] as const)('the settings of %s', (app) => {
  const fields = readBy(app);

  it('are found in its source', () => {
    expect([...fields]).toContain(`${app}Port`);
    expect(fields.size).toBeGreaterThan(3);
  });

  it('are all that it reads, so that a wrong one stops it and is never passed over', () => {
    const foreign = settings.filter(({ field, of }) => fields.has(field) && !of.includes(app));
    expect(foreign.map(({ env }) => env)).toEqual([]);
  });
});

describe('a setting', () => {
  it('is for nobody whose source does not name it', () => {
    const sources = { api: sourceOf('api'), ingest: sourceOf('ingest'), signer: sourceOf('signer'), simulator: sourceOf('simulator') };
    const names = (app: keyof typeof sources, field: string) => sources[app].some((text) => new RegExp(`\\b${field}\\b`).test(text));
    const unread = settings.flatMap(({ env, field, of }) =>
      (['api', 'ingest', 'signer', 'simulator'] as const)
        .filter((app) => of.length < 4 && of.includes(app) && !names(app, field))
        .map((app) => `${env} is not read by ${app}`),
    );
    expect(unread).toEqual([]);
  });
});
