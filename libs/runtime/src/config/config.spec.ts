import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Config, describeSettings, loadConfig, maskedConfig } from './config.js';
import { ownPorts } from './own-ports.js';

const folder = mkdtempSync(join(tmpdir(), 'tributary-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function throws(work: () => void): boolean {
  try {
    work();
    return false;
  } catch {
    return true;
  }
}

describe('configuration', () => {
  it('names every bad variable at once', () => {
    const load = () => loadConfig('api', { API_PORT: '99999', REDIS_URL: 'localhost', LEASE_TTL_MS: 'soon' });
    expect(load).toThrow(/API_PORT: [^]*REDIS_URL: expected redis:\/\/|REDIS_URL[^]*API_PORT/);
    expect(load).toThrow(/LEASE_TTL_MS/);
  });

  const PROCESSES = ['api', 'ingest', 'signer', 'simulator', 'admin'] as const;
  /** Wrong for every setting that is more than free text. */
  const wrong = (env: string) => ({ [env]: ['HOST', 'SPOOL_DIR', 'CHROMIUM_PATH'].includes(env) ? 'any' : '\u0001,' });
  const strict = describeSettings().filter(({ env }) => throws(() => PROCESSES.forEach((name) => loadConfig(name, wrong(env)))));

  it('has a rule for every setting but free texts', () => {
    const free = describeSettings().filter(({ env }) => !strict.some((setting) => setting.env === env));
    expect(free.map(({ env }) => env).sort()).toEqual([
      'CHROMIUM_PATH',
      'HOST',
      'REMOTE_SIGN_KEY',
      'SIGNER_KEY',
      'SIMULATOR_KEY',
      'SPOOL_DIR',
    ]);
  });

  it.each(strict.map(({ env, of, field }) => [env, of, field] as const))(
    '%s stops the processes that it is for, with what is allowed, and no other',
    (env, of, field) => {
      for (const name of PROCESSES) {
        const load = (onIgnored?: (problem: string) => void) => loadConfig(name, wrong(env), onIgnored);
        const message = new RegExp(`^configuration is wrong: ${env}: expected .{5,}`);
        if (of.includes(name)) {
          expect(() => load()).toThrow(message);
          continue;
        }
        const ignored: string[] = [];
        expect(
          Reflect.get(
            load((problem) => ignored.push(problem)),
            field,
          ),
        ).toEqual(Reflect.get(new Config(), field));
        expect(ignored).toEqual([expect.stringMatching(new RegExp(`^${env}: expected `))]);
      }
    },
  );

  it('takes what is right of other processes: one keeps the ports of all of them closed to webhooks', () => {
    const config = loadConfig('api', { SIGNER_PORT: '4001', INGEST_PORT: 'none', DATABASE_URL: 'postgres://me:hu/sh@db:6000/x' });
    expect(ownPorts(config)).toEqual(expect.arrayContaining([4001, 3002, 6000]));
  });

  it('reads no file of a secret of other processes', () => {
    const env = { WEBHOOK_SECRET_KEY_FILE: join(folder, 'none') };
    expect(() => loadConfig('api', env)).toThrow(/WEBHOOK_SECRET_KEY_FILE/);
    expect(loadConfig('signer', env).webhookSecretKey).toBe('');
  });

  it.each(['10.1.0.0', '10.1.0.0/33', '999.1.1.1/8', 'fc00::/129', 'example/8'])('takes no %s for a network', (text) => {
    expect(() => loadConfig('api', { WEBHOOK_ALLOW_CIDRS: `10.0.0.0/8,${text}` })).toThrow(/WEBHOOK_ALLOW_CIDRS: expected networks/);
    expect(loadConfig('api', { WEBHOOK_ALLOW_CIDRS: '10.0.0.0/8, fc00::/7' }).webhookAllowCidrs).toEqual(['10.0.0.0/8', 'fc00::/7']);
  });

  it('takes origins as browsers send them, and no wildcard, path or other scheme', () => {
    for (const name of ['API_ORIGINS', 'SIGN_ORIGINS'] as const) {
      const origins = (text: string) =>
        loadConfig(name === 'API_ORIGINS' ? 'api' : 'signer', { [name]: text })[name === 'API_ORIGINS' ? 'apiOrigins' : 'signOrigins'];
      expect(origins('')).toEqual([]);
      expect(origins('HTTPS://Overlay.Example:443/, http://127.0.0.1:8080')).toEqual(['https://overlay.example', 'http://127.0.0.1:8080']);
      for (const wrong of [
        '*',
        'null',
        'overlay.example',
        'https://*.example',
        'https://a.example/page',
        'https://me@a.example',
        'file:///x',
      ])
        expect(() => origins(wrong)).toThrow(new RegExp(`${name}: expected origins such as https://example.org`));
    }
  });

  it('takes single addresses of trusted proxies beside networks, and neither names nor the network of all addresses', () => {
    const load = (text: string) => loadConfig('api', { TRUSTED_PROXIES: text }).trustedProxies;
    const good = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1/32', '127.0.0.1', '::1'];
    expect(load(good.join(', '))).toEqual(good);
    for (const wrong of ['abc', '10.0.0.0/33', '999.0.0.0/8', '::1/129', '0.0.0.0/0', '::/0', 'fe80::1%eth0', 'proxy.example'])
      expect(() => load(`10.0.0.0/8,${wrong}`)).toThrow(/TRUSTED_PROXIES: expected addresses or networks such as 10\.1\.0\.0\/16/);
  });

  it('takes a secret from the file that NAME_FILE names, the variable itself first', () => {
    const path = join(folder, 'key');
    writeFileSync(path, 'from-file\n');
    expect(loadConfig('ingest', { SIGNER_KEY_FILE: path }).signerKey).toBe('from-file');
    expect(loadConfig('ingest', { SIGNER_KEY_FILE: path, SIGNER_KEY: 'given' }).signerKey).toBe('given');
    expect(() => loadConfig('ingest', { SIGNER_KEY_FILE: join(folder, 'none') })).toThrow(/SIGNER_KEY_FILE: .* cannot be read \(ENOENT\)/);
  });

  it('shows no secret', () => {
    const shown = JSON.stringify(
      maskedConfig(
        loadConfig('api', {
          SIGNER_KEY: 'sesame',
          REDIS_URL: 'redis://:hush@127.0.0.1:1',
          DATABASE_URL: 'postgres://me:quiet@127.0.0.1:2/x',
        }),
      ),
    );
    expect(shown).not.toMatch(/sesame|hush|quiet/);
    expect(shown).toContain('127.0.0.1:2/x');
  });

  it('shows nothing of a secret that is no text, no address, or an address with a password in the wrong place', () => {
    const masked = (env: Record<string, string>) => maskedConfig(loadConfig('api', env));
    expect(masked({ SIGN_PROVIDER_OPTIONS: '{"page":{"proxy":"http://me:hush@proxy:1"}}' }).signProviderOptions).toBe('***');
    for (const key of ['sesame', 'sesame:open', 'data://sesame', 'http://[sesame'])
      expect(masked({ SIGNER_KEY: key }).signerKey).toBe('***');
    expect(masked({}).signerKey).toBe('');
    const address = (DATABASE_URL: string) => masked({ DATABASE_URL }).databaseUrl;
    expect(address('postgres://me:a%40b@db:2/x?sslmode=require&password=hush')).toBe('postgres://db:2/x');
    for (const password of ['hu/sh', '12/hush', '12?hush', '12#hush']) expect(address(`postgres://me:${password}@db:2/x`)).toBe('***');
    expect(address('postgres://me:a@hush@db:2/x')).toBe('postgres://db:2/x');
  });

  it('describes each setting with its variable and default', () => {
    const docs = describeSettings();
    expect(new Set(docs.map((doc) => doc.env)).size).toBe(docs.length);
    expect(docs.find((doc) => doc.env === 'API_PORT')?.default).toBe('3000');
  });
});
