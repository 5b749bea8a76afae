import { isIP } from 'node:net';
import type { AddressPolicy } from './addresses.js';
import type { NameResolver, Resolution } from './names.js';

/** A host and a port that a caller chose. */
export interface HostPort {
  /** A name or an IP address, as the URL parser gives it, without brackets. */
  hostname: string;
  port: number;
}

/** The addresses of a host when all are allowed, or why the host is closed. */
export type SsrfVerdict = { kind: 'open'; addresses: string[] } | { kind: 'closed'; category: 'dns' | 'blocked_address' };

/** Checks a host that a caller chose: once when it is chosen, and again at every connection, since DNS may have changed. */
export class SsrfGuard {
  constructor(
    private readonly policy: AddressPolicy,
    private readonly names: NameResolver,
  ) {}

  /** The verdict without waiting, when the name was resolved a moment ago. */
  known({ hostname, port }: HostPort): SsrfVerdict | undefined {
    if (isIP(hostname)) return this.judge({ kind: 'found', addresses: [hostname] }, port);
    const resolution = this.names.known(hostname);
    return resolution && this.judge(resolution, port);
  }

  /** Resolves the host and checks every address that it has. */
  async check({ hostname, port }: HostPort): Promise<SsrfVerdict> {
    return this.judge(await this.names.resolve(hostname), port);
  }

  /** Whether the address at the far end of an open connection is allowed. */
  allows(address: string | undefined, port: number): boolean {
    return address !== undefined && this.policy.judge(address, port) === 'allowed';
  }

  close(): void {
    this.names.close();
  }

  /** One denied address closes the host: a name that also points to the inside is not trusted. */
  private judge(resolution: Resolution, port: number): SsrfVerdict {
    if (resolution.kind === 'failed') return { kind: 'closed', category: 'dns' };
    const { addresses } = resolution;
    const open = addresses.every((address) => this.policy.judge(address, port) === 'allowed');
    return open ? { kind: 'open', addresses } : { kind: 'closed', category: 'blocked_address' };
  }
}
