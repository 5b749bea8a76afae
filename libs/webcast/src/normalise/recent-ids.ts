import { createHash } from 'node:crypto';

const DECIMAL = /^\d{1,20}$/;
const HIGH = 2 ** 32;

/**
 * The last `max` message ids of one room, for telling duplicates after a reconnect or hand-over.
 * Ids are 64-bit numbers: a ring of them and an open-addressing index of ring places take 32 KB for 2,048 ids, where
 * strings in a Set take about 150 KB, which 2,000 rooms cannot afford.
 */
export class RecentIds {
  private readonly highs: Uint32Array;
  private readonly lows: Uint32Array;
  /** Ring place + 1 of the id in this slot; 0 is free. */
  private readonly slots: Uint32Array;
  private readonly mask: number;
  private next = 0;
  private size = 0;
  private high = 0;
  private low = 0;

  constructor(private readonly max: number) {
    if (!Number.isInteger(max) || max < 1 || max > 1_048_576) throw new RangeError('recentIdsMax: expected 1 to 1048576');
    this.highs = new Uint32Array(max);
    this.lows = new Uint32Array(max);
    const slots = 2 ** Math.ceil(Math.log2(max * 2));
    this.slots = new Uint32Array(slots);
    this.mask = slots - 1;
  }

  /** Remembers the id, and forgets the oldest when full. false when it was there already. */
  add(id: string): boolean {
    this.parse(id);
    let slot = this.home(this.high, this.low);
    for (let place = this.slots[slot]!; place !== 0; place = this.slots[slot]!) {
      if (this.lows[place - 1] === this.low && this.highs[place - 1] === this.high) return false;
      slot = (slot + 1) & this.mask;
    }
    const { high, low } = this;
    if (this.size === this.max) {
      this.remove(this.next);
      // Removal shifts entries, so the free slot has to be found again.
      slot = this.home(high, low);
      while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    } else {
      this.size++;
    }
    this.highs[this.next] = high;
    this.lows[this.next] = low;
    this.slots[slot] = this.next + 1;
    this.next = (this.next + 1) % this.max;
    return true;
  }

  /** All ids, oldest first, as decimals that {@link add} of another room object takes. */
  list(): string[] {
    const ids: string[] = [];
    for (let n = 0; n < this.size; n++) {
      const place = (this.next - this.size + n + this.max) % this.max;
      ids.push(((BigInt(this.highs[place]!) << 32n) | BigInt(this.lows[place]!)).toString());
    }
    return ids;
  }

  /** Frees the slot of a ring place and moves later entries of its run back, so that no search ends too early. */
  private remove(place: number): void {
    let hole = this.home(this.highs[place]!, this.lows[place]!);
    while (this.slots[hole] !== place + 1) hole = (hole + 1) & this.mask;
    for (let slot = (hole + 1) & this.mask; this.slots[slot] !== 0; slot = (slot + 1) & this.mask) {
      const other = this.slots[slot]! - 1;
      const home = this.home(this.highs[other]!, this.lows[other]!);
      if (((slot - home) & this.mask) >= ((slot - hole) & this.mask)) {
        this.slots[hole] = other + 1;
        hole = slot;
      }
    }
    this.slots[hole] = 0;
  }

  private home(high: number, low: number): number {
    let hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
    hash ^= hash >>> 15;
    return hash & this.mask;
  }

  private parse(id: string): void {
    if (DECIMAL.test(id) && this.parseDecimal(id)) return;
    const hex = /^h([0-9a-f]{16})$/.exec(id)?.[1] ?? createHash('sha256').update(id).digest('hex').slice(0, 16);
    this.high = Number.parseInt(hex.slice(0, 8), 16);
    this.low = Number.parseInt(hex.slice(8), 16);
  }

  /** Exact 64-bit value without BigInt: a * 10^9 + b, with a taken in two parts that stay below 2^53. false when it is more. */
  private parseDecimal(id: string): boolean {
    const a = Number(id.slice(0, -9));
    const b = Number(id.slice(-9));
    const lower = (a & 0xffff) * 1e9 + b;
    const upper = Math.floor(a / 65_536) * 1e9;
    const rest = (upper % 65_536) * 65_536 + lower;
    this.low = rest % HIGH;
    this.high = Math.floor(upper / 65_536) + Math.floor(rest / HIGH);
    return this.high < HIGH;
  }
}
