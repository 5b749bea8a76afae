import { randomBytes } from 'node:crypto';

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

function base32(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest >>= 5n) text = CROCKFORD[Number(rest & 31n)]! + text;
  return text;
}

/**
 * A new internal id: prefix, then 10 characters of time (ms) and 8 of randomness (40 bits), so that ids sort by their
 * creation and hold no `-`, which event ids use as separator.
 */
export function newId(prefix: 'cr_' | 'key_' | 'wh_' | 'rp_', now = Date.now()): string {
  return `${prefix}${base32(BigInt(now), 10)}${base32(BigInt(`0x${randomBytes(5).toString('hex')}`), 8)}`;
}
