import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@tributary/runtime';
import { PROVIDER_NAMES } from './provider.js';

describe('the setting SIGN_PROVIDERS', () => {
  it('takes every provider that there is, and no other', () => {
    const all = PROVIDER_NAMES.join(',');
    expect(loadConfig('signer', { SIGN_PROVIDERS: all }).signProviders).toEqual(PROVIDER_NAMES);
    // The message lists what the setting allows.
    const allowed = `SIGN_PROVIDERS: expected one or more of ${PROVIDER_NAMES.join(', ')}, with commas between`;
    expect(() => loadConfig('signer', { SIGN_PROVIDERS: 'nobody' })).toThrow(allowed);
  });
});
