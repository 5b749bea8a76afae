import { isIP } from 'node:net';
import type { Config } from '../config/config.js';

/** Host headers whose verdict is remembered. */
const KNOWN_MAX = 1_000;
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[^:[\]]*)(?::\d{0,5})?$/;

export interface AllowedHostsOptions {
  /** Further names, in lower case: `name`, `.domain` for all names below it, `*` for every name. */
  names?: readonly string[];
  /** Accepts names without a dot, by which containers reach each other; nobody can register one on the internet. */
  plainNames?: boolean;
}

/**
 * The names that a process accepts in `Host`. A page on the internet can point its own name at an address of this machine or
 * network (DNS rebinding), and its requests then count as same-origin. So only IP addresses, `localhost` and configured names
 * are accepted.
 */
export class AllowedHosts {
  private readonly names: ReadonlySet<string>;
  private readonly domains: readonly string[];
  private readonly plainNames: boolean;
  private readonly known = new Map<string, boolean>();

  constructor({ names = [], plainNames = false }: AllowedHostsOptions = {}) {
    this.names = new Set(names);
    this.domains = names.filter((name) => name.startsWith('.'));
    this.plainNames = plainNames;
  }

  /** @param host the header; a request without one comes from no browser */
  allows(host: string | undefined): boolean {
    if (host === undefined) return true;
    const known = this.known.get(host);
    if (known !== undefined) return known;
    const verdict = this.judge(host.toLowerCase());
    if (this.known.size >= KNOWN_MAX) this.known.clear();
    this.known.set(host, verdict);
    return verdict;
  }

  private judge(host: string): boolean {
    if (this.names.has('*')) return true;
    const name = AUTHORITY.exec(host)?.[1]?.replace(/\.$/, '') ?? '';
    if (name === '') return false;
    if (isIP(name) || name.startsWith('[')) return isIP(name.replace(/^\[|\]$/g, '')) !== 0;
    if (name === 'localhost' || name.endsWith('.localhost') || this.names.has(name)) return true;
    return this.domains.some((domain) => name.endsWith(domain)) || (this.plainNames && !name.includes('.'));
  }
}

const LOOPBACK = /^(?:localhost|127\.[\d.]+|::1)$/;

/** The names that a configuration allows: `ALLOWED_HOSTS`, `HOST`, and those by which the processes call each other. */
export function allowedHosts(config: Config): AllowedHosts {
  const { host, signerUrl, tiktokWebUrl, tiktokWebcastUrl } = config;
  const own = [signerUrl, tiktokWebUrl, tiktokWebcastUrl].map((url) => new URL(url).hostname);
  return new AllowedHosts({
    names: [...config.allowedHosts, host, ...own].map((name) => name.toLowerCase()),
    plainNames: !LOOPBACK.test(host),
  });
}
