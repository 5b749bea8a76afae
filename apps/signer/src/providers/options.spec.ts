import { describe, expect, it } from '@jest/globals';
import { Config } from '@tributary/runtime';
import { providerOptions, shadowOptions } from './options.js';

const config = (changes: Partial<Config>) => Object.assign(new Config(), changes);

describe('providerOptions', () => {
  it('gives every provider its defaults, and pages more time', () => {
    const options = providerOptions(config({ signTimeoutMs: 3_000 }));
    expect(options.anonymous).toMatchObject({ timeoutMs: 3_000, concurrency: 64, proxy: undefined });
    expect(options.page).toMatchObject({ timeoutMs: 8_000, concurrency: 4 });
  });

  it('takes what is given for one provider, and leaves the others', () => {
    const signProviderOptions = { page: { timeoutMs: 9_000, proxy: 'http://u:p@proxy.example:8080' }, remote: { concurrency: 2 } };
    const options = providerOptions(config({ signProviderOptions }));
    expect(options.page).toMatchObject({ timeoutMs: 9_000, proxy: 'http://u:p@proxy.example:8080' });
    expect(options.remote.concurrency).toBe(2);
    expect(options.anonymous.proxy).toBeUndefined();
  });

  it.each([
    [{ pages: {} }, /SIGN_PROVIDER_OPTIONS: pages: expected one of page,/],
    [{ page: 3 }, /page: expected an object/],
    [{ page: { timeoutMs: '8s' } }, /page\.timeoutMs: expected a whole number from 50/],
    [{ page: { concurrency: 0 } }, /page\.concurrency: expected/],
    [{ remote: { proxy: 'socks5://x' } }, /remote\.proxy: expected an address/],
    [{ remote: { userAgent: 'short' } }, /remote\.userAgent: expected 10 to 512/],
    [{ page: { tabs: 3 } }, /page\.tabs: expected timeoutMs, concurrency/],
  ])('names what is wrong with %j', (signProviderOptions, message) => {
    expect(() => providerOptions(config({ signProviderOptions }))).toThrow(message);
  });

  it('reads the shadow', () => {
    expect(shadowOptions(config({ signShadow: 'page:0.05' }))).toEqual({ name: 'page', share: 0.05 });
    expect(shadowOptions(config({ signShadow: 'page:0' }))).toBeUndefined();
    expect(shadowOptions(config({}))).toBeUndefined();
    expect(() => shadowOptions(config({ signShadow: 'nobody:1' }))).toThrow('SIGN_SHADOW: nobody: expected one of');
  });
});
