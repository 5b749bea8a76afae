import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { describeSettings, loadConfig, maskedConfig } from './config.js';

const folder = mkdtempSync(join(tmpdir(), 'tributary-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('configuration', () => {
  it('names every bad variable at once', () => {
    const load = () => loadConfig({ API_PORT: '99999', REDIS_URL: 'localhost', POLL_MS: 'soon' });
    expect(load).toThrow(/API_PORT: [^]*REDIS_URL: expected redis:\/\/|REDIS_URL[^]*API_PORT/);
    expect(load).toThrow(/POLL_MS/);
  });

  it('takes origins as browsers send them, and no wildcard, path or other scheme', () => {
    for (const name of ['API_ORIGINS', 'SIGN_ORIGINS'] as const) {
      const origins = (text: string) => loadConfig({ [name]: text })[name === 'API_ORIGINS' ? 'apiOrigins' : 'signOrigins'];
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

  it('takes a secret from the file that NAME_FILE names, the variable itself first', () => {
    const path = join(folder, 'key');
    writeFileSync(path, 'from-file\n');
    expect(loadConfig({ SIGNER_KEY_FILE: path }).signerKey).toBe('from-file');
    expect(loadConfig({ SIGNER_KEY_FILE: path, SIGNER_KEY: 'given' }).signerKey).toBe('given');
    expect(() => loadConfig({ SIGNER_KEY_FILE: join(folder, 'none') })).toThrow(/SIGNER_KEY_FILE: .* cannot be read \(ENOENT\)/);
  });

  it('shows no secret', () => {
    const shown = JSON.stringify(
      maskedConfig(
        loadConfig({ SIGNER_KEY: 'sesame', REDIS_URL: 'redis://:hush@127.0.0.1:1', DATABASE_URL: 'postgres://me:quiet@127.0.0.1:2/x' }),
      ),
    );
    expect(shown).not.toMatch(/sesame|hush|quiet/);
    expect(shown).toContain('127.0.0.1:2/x');
  });

  it('shows nothing of a secret that is no text, no address, or an address with a password in the wrong place', () => {
    const masked = (env: Record<string, string>) => maskedConfig(loadConfig(env));
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
