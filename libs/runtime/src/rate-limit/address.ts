import { isIP } from 'node:net';

/**
 * Who an address stands for: an IPv4 address itself, of IPv6 the /64 that one customer usually has.
 * @param ip as the socket, or a trusted proxy, tells it
 */
export function addressOf(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped) return mapped;
  if (isIP(ip) !== 6) return ip.slice(0, 64);
  const text = new URL(`http://[${ip.split('%', 1)[0]}]/`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
