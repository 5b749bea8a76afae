/**
 * A timer wheel: thousands of items planned in slots of one tick, moved by one timer. An item is planned once; planning it
 * again replaces the earlier plan.
 */
export class TimerWheel<T extends object> {
  private readonly slots: Set<T>[];
  private readonly plans = new Map<T, { slot: number; at: number }>();
  private cursor: number;

  constructor(
    private readonly tickMs: number,
    slots: number,
    now: number,
  ) {
    this.slots = Array.from({ length: slots }, () => new Set<T>());
    this.cursor = Math.floor(now / tickMs);
  }

  /** Plans `item` for the tick at or after `at` (ms since 1970). */
  plan(item: T, at: number): void {
    this.cancel(item);
    const tick = Math.max(this.cursor + 1, Math.ceil(at / this.tickMs));
    const slot = tick % this.slots.length;
    this.plans.set(item, { slot, at });
    this.slots[slot]?.add(item);
  }

  cancel(item: T): void {
    const plan = this.plans.get(item);
    if (!plan) return;
    this.slots[plan.slot]?.delete(item);
    this.plans.delete(item);
  }

  /** Calls `fire` for every item whose time has come. Items may be planned again inside. */
  advance(now: number, fire: (item: T) => void): void {
    const target = Math.floor(now / this.tickMs);
    // After a stall of more than a full turn every slot is visited once.
    const from = Math.max(this.cursor + 1, target - this.slots.length + 1);
    for (let tick = from; tick <= target; tick++) {
      this.cursor = tick;
      const slot = this.slots[tick % this.slots.length];
      if (!slot || slot.size === 0) continue;
      for (const item of [...slot]) {
        const plan = this.plans.get(item);
        // Planned more than a turn ahead: its time is a later visit.
        if (!plan || plan.at > now) continue;
        slot.delete(item);
        this.plans.delete(item);
        fire(item);
      }
    }
  }
}
