import { describe, expect, it } from '@jest/globals';
import { AllowedHosts, allowedHosts } from './allowed-hosts.js';
import { Config } from '../config/config.js';

const REBOUND = [
  ...['evil.example', 'evil.example:3000', 'localhost.evil.example', '127.0.0.1.nip.io', '127.0.0.1.evil.example:3000', 'EVIL.example'],
  ...['evil', 'api', '', ':3000', 'localhost:evil', '[evil.example]', '[::1', '127.0.0.1@evil.example', 'a b', '127.0.0.1/evil', '*'],
];

describe('the names by which a process may be called', () => {
  it('are addresses and localhost; no name that somebody could point here', () => {
    const hosts = new AllowedHosts();
    const own = [
      '127.0.0.1',
      '127.0.0.1:3000',
      '10.0.0.7:80',
      '[::1]:3000',
      '[fe80::1]',
      'localhost',
      'LOCALHOST:3000',
      'localhost.',
      'api.localhost',
    ];
    expect(own.filter((host) => !hosts.allows(host))).toEqual([]);
    expect(REBOUND.filter((host) => hosts.allows(host))).toEqual([]);
    expect(hosts.allows(undefined)).toBe(true);
  });

  it('are those that the operator names too, whole domains and everything where asked for', () => {
    const named = new AllowedHosts({ names: ['tributary.example', '.internal.example'] });
    expect(['tributary.example:443', 'Tributary.Example', 'a.internal.example'].filter((host) => !named.allows(host))).toEqual([]);
    expect(['x.tributary.example', 'internal.example', 'ainternal.example', 'evil.example'].filter((host) => named.allows(host))).toEqual(
      [],
    );
    expect(new AllowedHosts({ names: ['*'] }).allows('evil.example')).toBe(true);
  });

  it('are plain names too where a process listens for others than this machine, as in containers', () => {
    const on = (host: string) => allowedHosts(Object.assign(new Config(), { host, allowedHosts: ['Tributary.example'] }));
    expect(['signer:3001', 'signer', 'tributary.example'].map((name) => on('0.0.0.0').allows(name))).toEqual([true, true, true]);
    expect(['signer:3001', 'tributary.example'].map((name) => on('127.0.0.1').allows(name))).toEqual([false, true]);
    expect(on('0.0.0.0').allows('evil.example')).toBe(false);
    expect(allowedHosts(Object.assign(new Config(), { signerUrl: 'http://signer.internal:3001' })).allows('signer.internal:3001')).toBe(
      true,
    );
  });

  it('bound what is remembered of them', () => {
    const hosts = new AllowedHosts();
    for (let i = 0; i < 5_000; i++) hosts.allows(`n${i}.example`);
    expect((hosts as unknown as { known: Map<string, boolean> }).known.size).toBeLessThanOrEqual(1_000);
  });
});
