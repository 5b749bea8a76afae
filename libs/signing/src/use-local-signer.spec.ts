import { afterEach, describe, expect, it } from '@jest/globals';
import { createEulerClient, SignConfig } from 'tiktok-live-connector';
import { useLocalSigner } from './use-local-signer.js';

const keyOf = () => (createEulerClient().configuration.baseOptions as { headers: Record<string, string> }).headers['X-Api-Key'];

describe('useLocalSigner', () => {
  const restores: (() => void)[] = [];
  afterEach(() => {
    for (const restore of restores.splice(0).reverse()) restore();
  });

  it('points the client library at the signer even when its API client has been made and cached', () => {
    expect(createEulerClient().configuration.basePath).toMatch(/eulerstream/);
    restores.push(useLocalSigner('http://127.0.0.1:3001/', { apiKey: 'trib_a' }));
    expect(createEulerClient().configuration.basePath).toBe('http://127.0.0.1:3001');
    expect(keyOf()).toBe('trib_a');
  });

  it('never sends a key that was meant for another server', () => {
    SignConfig.apiKey = 'euler-key';
    restores.push(() => void (SignConfig.apiKey = undefined));
    SignConfig.cachedInstance = undefined;
    createEulerClient();
    restores.push(useLocalSigner('http://127.0.0.1:3001'));
    expect(keyOf()).toBeUndefined();
  });

  it('puts the former settings back', () => {
    const { basePath, apiKey, baseOptions, cachedInstance } = SignConfig;
    useLocalSigner('http://127.0.0.1:3001', { apiKey: 'trib_a' })();
    expect({ ...SignConfig }).toEqual({ basePath, apiKey, baseOptions, cachedInstance });
  });

  it('refuses an address that is none', () => {
    expect(() => useLocalSigner('ws://127.0.0.1:3001')).toThrow('url: expected http:// or https://');
    expect(() => useLocalSigner('somewhere')).toThrow();
  });
});
