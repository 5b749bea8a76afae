import { random } from '@tributary/testing';

/** What is drawn for one input: the same seed and number give the same draws on every machine. */
export class Draw {
  private readonly next: () => number;

  constructor(seed: number, number: number) {
    // Neighbouring numbers must not give neighbouring states.
    this.next = random(Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(number + 1, 0xc2b2_ae35));
    this.next();
  }

  /** A whole number of [0, below); 0 for an empty range. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** @throws RangeError for an empty list */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('there is nothing to pick from');
    return list[this.below(list.length)]!;
  }

  /** One of several ways, each as likely as its weight says. */
  weighted<T>(ways: readonly (readonly [weight: number, way: T])[]): T {
    let left = this.next() * ways.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, way] of ways) if ((left -= weight) < 0) return way;
    return ways.at(-1)![1];
  }
}
