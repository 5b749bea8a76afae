import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** Addresses of a name, or why there are none. */
export type Resolution = { kind: 'found'; addresses: string[] } | { kind: 'failed'; reason: 'unknown' | 'timeout' };

export interface NameResolverOptions {
  /** DNS servers as `address` or `address:port`; those of the system when missing. */
  servers?: readonly string[];
  hostsFile?: string;
  /** Time one name may take. */
  budgetMs?: number;
  /** How long an answer is cached; short, so that every connection is checked against a current answer of DNS. */
  cacheMs?: number;
  cacheNamesMax?: number;
}

const HOSTS_MS = 30_000;

/**
 * Resolves the names of hosts that callers choose, with DNS and the hosts file. It does not use getaddrinfo, which runs in a pool
 * of four threads, where a few names that hang would delay all others.
 */
export class NameResolver {
  private readonly resolver: Resolver;
  private readonly options: Required<Omit<NameResolverOptions, 'servers'>>;
  private readonly answers = new Map<string, { at: number; resolution: Resolution }>();
  private readonly asking = new Map<string, Promise<Resolution>>();
  private hosts: { at: number; names: Promise<Map<string, string[]>> } | undefined;

  constructor({ servers, ...options }: NameResolverOptions = {}) {
    this.options = { hostsFile: '/etc/hosts', budgetMs: 3_000, cacheMs: 5_000, cacheNamesMax: 10_000, ...options };
    this.resolver = new Resolver({ timeout: Math.ceil(this.options.budgetMs / 2), tries: 2 });
    if (servers) this.resolver.setServers(servers);
  }

  /** A cached answer, without waiting. */
  known(hostname: string): Resolution | undefined {
    const answer = this.answers.get(hostname);
    return answer && performance.now() - answer.at < this.options.cacheMs ? answer.resolution : undefined;
  }

  /** @param hostname as the URL parser gives it, without brackets */
  async resolve(hostname: string): Promise<Resolution> {
    if (isIP(hostname)) return { kind: 'found', addresses: [hostname] };
    const known = this.known(hostname);
    if (known) return known;
    let asked = this.asking.get(hostname);
    if (!asked) {
      asked = this.ask(hostname).finally(() => this.asking.delete(hostname));
      this.asking.set(hostname, asked);
    }
    return asked;
  }

  /** Cancels every query under way. */
  close(): void {
    this.resolver.cancel();
  }

  private async ask(hostname: string): Promise<Resolution> {
    const name = hostname.replace(/\.$/, '').toLowerCase();
    const resolution = (await this.fromHosts(name)) ?? (await this.fromDns(name));
    this.answers.delete(hostname);
    this.answers.set(hostname, { at: performance.now(), resolution });
    const [oldest] = this.answers.keys();
    if (this.answers.size > this.options.cacheNamesMax && oldest !== undefined) this.answers.delete(oldest);
    return resolution;
  }

  private async fromHosts(name: string): Promise<Resolution | undefined> {
    const now = performance.now();
    if (!this.hosts || now - this.hosts.at > HOSTS_MS) this.hosts = { at: now, names: readHosts(this.options.hostsFile) };
    const addresses = (await this.hosts.names).get(name);
    if (addresses) return { kind: 'found', addresses };
    // RFC 6761: these names never leave the machine, whatever DNS says.
    if (name === 'localhost' || name.endsWith('.localhost')) return { kind: 'found', addresses: ['127.0.0.1', '::1'] };
    return undefined;
  }

  private async fromDns(name: string): Promise<Resolution> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, this.options.budgetMs, 'late')));
    const both = Promise.allSettled([this.resolver.resolve4(name), this.resolver.resolve6(name)]);
    const answers = await Promise.race([both, late]);
    clearTimeout(timer);
    if (answers === 'late') return { kind: 'failed', reason: 'timeout' };
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length > 0) return { kind: 'found', addresses };
    const timedOut = answers.some((answer) => answer.status === 'rejected' && (answer.reason as NodeJS.ErrnoException).code === 'ETIMEOUT');
    return { kind: 'failed', reason: timedOut ? 'timeout' : 'unknown' };
  }
}

/** Names of a hosts file; empty where there is none. */
async function readHosts(file: string): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>();
  const text = await readFile(file, 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const [address = '', ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (!isIP(address)) continue;
    for (const alias of aliases) names.set(alias.toLowerCase(), [...(names.get(alias.toLowerCase()) ?? []), address]);
  }
  return names;
}
