import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Whether a connection to an address that a caller chose is allowed. */
export type AddressVerdict = 'allowed' | 'denied';

export interface AddressPolicyOptions {
  /** CIDRs of private networks that the operator lets callers reach, e.g. `127.0.0.0/8`. */
  allowCidrs?: readonly string[];
  /** Ports that stay closed on addresses which only `allowCidrs` opens, and on this machine's public ones: the system's own. */
  ownPorts?: readonly number[];
  /** Addresses of this machine; those of its interfaces when missing. */
  ownAddresses?: () => readonly string[];
}

/** Networks outside the public internet, from the IANA special-purpose registries. */
const DENIED = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24'],
  ...['192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/8', '100::/64', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '5f00::/16'],
  ...['fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
];
/** Globally reachable parts of 2001::/23. */
const CARVED_OUT = ['2001:1::1/128', '2001:1::2/128', '2001:3::/32', '2001:4:112::/48', '2001:20::/28'];
/** Metadata and host services of the large clouds: no CIDR of an operator opens them. */
const METADATA = [
  ...['169.254.169.254/32', '169.254.169.253/32', '169.254.170.2/32', '169.254.170.23/32', '169.254.0.23/32', '100.100.100.200/32'],
  ...['168.63.129.16/32', '192.0.0.192/32', 'fd00:ec2::/32', 'fd20:ce::254/128', 'fe80::a9fe:a9fe/128', 'fd00:42::42/128'],
];

/** Networks of both families, kept apart: one BlockList would find an IPv4 address in an IPv6 network, as `::ffff:a.b.c.d`. */
class Networks {
  private readonly lists = { ipv4: new BlockList(), ipv6: new BlockList() };

  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      if (!isCidr(cidr)) throw new Error(`${cidr}: expected a network such as 10.0.0.0/8`);
      const [address = '', bits] = cidr.split('/');
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
      this.lists[family].addSubnet(address, Number(bits), family);
    }
  }

  has(address: string, family: 'ipv4' | 'ipv6'): boolean {
    return this.lists[family].check(address, family);
  }
}

const denied = new Networks(DENIED);
const carvedOut = new Networks(CARVED_OUT);
const metadata = new Networks(METADATA);

const VERDICTS_MAX = 10_000;

/** Decides which addresses webhooks and proxies may reach: public ones, and networks that the operator has opened. */
export class AddressPolicy {
  private readonly opened: Networks;
  private readonly ownPorts: ReadonlySet<number>;
  private readonly ownAddresses: () => readonly string[];
  /** Verdicts by address and port. They never change, and every connection needs one. */
  private readonly verdicts = new Map<string, AddressVerdict>();

  /** @throws Error naming a CIDR that is none. */
  constructor({ allowCidrs = [], ownPorts = [], ownAddresses = interfaceAddresses }: AddressPolicyOptions = {}) {
    this.opened = new Networks(allowCidrs);
    this.ownPorts = new Set(ownPorts);
    this.ownAddresses = ownAddresses;
  }

  /** @param address an IP address as text, without brackets */
  judge(address: string, port: number): AddressVerdict {
    const key = `${address} ${port}`;
    const known = this.verdicts.get(key);
    if (known) return known;
    const verdict = this.judgeAnew(address, port);
    if (this.verdicts.size >= VERDICTS_MAX) this.verdicts.clear();
    this.verdicts.set(key, verdict);
    return verdict;
  }

  private judgeAnew(address: string, port: number): AddressVerdict {
    const family = isIP(address);
    // A zone id names an interface of this machine; nothing public has one.
    if (family === 0 || address.includes('%')) return 'denied';
    if (family === 4) return this.judgeOne(address, 'ipv4', port);
    const groups = groupsOf(address);
    // ::ffff:0:0/96 has no place on the wire, and BlockList would read it as the IPv4 address inside.
    if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return 'denied';
    // 64:ff9b::/96 is the public translation of an IPv4 address, which decides.
    if (groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0)) {
      const [high = 0, low = 0] = groups.slice(6);
      return this.judgeOne(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`, 'ipv4', port);
    }
    return this.judgeOne(address, 'ipv6', port);
  }

  private judgeOne(address: string, family: 'ipv4' | 'ipv6', port: number): AddressVerdict {
    if (metadata.has(address, family)) return 'denied';
    // A server that listens on every address would be reached by the public one as well.
    if (this.ownPorts.has(port) && this.ownAddresses().includes(address)) return 'denied';
    if (this.opened.has(address, family)) return this.ownPorts.has(port) ? 'denied' : 'allowed';
    return denied.has(address, family) && !carvedOut.has(address, family) ? 'denied' : 'allowed';
  }
}

function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
}

/** Whether a text is an IPv4 or IPv6 network such as `10.0.0.0/8`. */
export function isCidr(text: string): boolean {
  const [address = '', bits = '', ...more] = text.split('/');
  const family = isIP(address);
  return family !== 0 && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // The URL parser writes every form, an IPv4 tail included, as compressed hexadecimal groups.
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const numbers = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  if (tail === undefined) return numbers(head);
  const [left, right] = [numbers(head), numbers(tail)];
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}
