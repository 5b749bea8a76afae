import { isIP } from 'node:net';
import type { AddressPolicy } from './addresses.js';
import type { NameResolver, Resolution } from './names.js';

/** Where a webhook goes: a URL that was parsed once, by the parser whose verdict counts. */
export interface Target {
  origin: string;
  /** Path and query. */
  path: string;
  /** Without brackets. */
  hostname: string;
  port: number;
}

/** A vetted way to a target, or why there is none. */
export type Vetted = { kind: 'open'; addresses: string[] } | { kind: 'closed'; category: 'dns' | 'blocked_address' };

const URL_CHARACTERS_MAX = 2_048;

/** Reads the URL of an endpoint; a text says what was expected instead. Nothing is stripped or repaired in silence. */
export function readTarget(text: string): Target | string {
  if (text.length > URL_CHARACTERS_MAX) return `a URL of at most ${URL_CHARACTERS_MAX} characters`;
  // The parser would drop or turn these without a word.
  if (/[\s\\\p{Cc}]/u.test(text)) return 'a URL without white space, control characters and backslashes';
  if (!URL.canParse(text)) return 'an absolute URL such as https://example.com/hooks';
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'a URL that starts with https:// or http://';
  if (!/^https?:\/\/[^/]/i.test(text)) return 'a URL with two slashes and a host after its scheme';
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/?#]*@/.test(text))
    return 'a URL without a user name or password; use headers';
  if (text.includes('#')) return 'a URL without a fragment';
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  if (hostname === '') return 'a URL with a host';
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (port === 0) return 'a URL with a port that can be reached';
  return { origin: url.origin, path: `${url.pathname}${url.search}`, hostname, port };
}

/** Judges the way to a target, at every attempt. */
export class Gate {
  constructor(
    private readonly policy: AddressPolicy,
    private readonly names: NameResolver,
  ) {}

  /** Without waiting, where the name's addresses are known from a moment ago. */
  known({ hostname, port }: Target): Vetted | undefined {
    if (isIP(hostname)) return this.judge({ kind: 'found', addresses: [hostname] }, port);
    const resolution = this.names.known(hostname);
    return resolution && this.judge(resolution, port);
  }

  async vet({ hostname, port }: Pick<Target, 'hostname' | 'port'>): Promise<Vetted> {
    return this.judge(await this.names.resolve(hostname), port);
  }

  /** Whether a connection that was made ends where it may. */
  admits(address: string | undefined, port: number): boolean {
    return address !== undefined && this.policy.judge(address, port) === 'allowed';
  }

  close(): void {
    this.names.close();
  }

  /** One denied address among several is enough: a name that points inside as well is not to be trusted. */
  private judge(resolution: Resolution, port: number): Vetted {
    if (resolution.kind === 'failed') return { kind: 'closed', category: 'dns' };
    const { addresses } = resolution;
    const open = addresses.every((address) => this.policy.judge(address, port) === 'allowed');
    return open ? { kind: 'open', addresses } : { kind: 'closed', category: 'blocked_address' };
  }
}
