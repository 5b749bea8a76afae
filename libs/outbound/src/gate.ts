import { isIP } from 'node:net';
import type { AddressPolicy } from './addresses.js';
import type { NameResolver, Resolution } from './names.js';

/** A host and a port that a caller chose. */
export interface Place {
  /** A name or an IP address, as the URL parser gives it, without brackets. */
  hostname: string;
  port: number;
}

/** The addresses that a place leads to, or why there is none. */
export type Vetted = { kind: 'open'; addresses: string[] } | { kind: 'closed'; category: 'dns' | 'blocked_address' };

/** Judges the way to a host that a caller chose: when it is chosen, and again at every connection (DNS may have changed). */
export class Gate {
  constructor(
    private readonly policy: AddressPolicy,
    private readonly names: NameResolver,
  ) {}

  /** Without waiting, where the name's addresses are known from a moment ago. */
  known({ hostname, port }: Place): Vetted | undefined {
    if (isIP(hostname)) return this.judge({ kind: 'found', addresses: [hostname] }, port);
    const resolution = this.names.known(hostname);
    return resolution && this.judge(resolution, port);
  }

  async vet({ hostname, port }: Place): Promise<Vetted> {
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
