import type { DeliveryEngine } from '../delivery/engine.js';
import type { WakeQueue } from './wake-queue.js';

/** Tells whoever runs an endpoint that it has changed, in this process or another. A hint: who misses it looks by itself within seconds. */
export class Nudges {
  constructor(
    private readonly queue: WakeQueue,
    private readonly engine: DeliveryEngine | undefined,
  ) {}

  nudge(id: string): void {
    if (this.engine?.serves(id)) void this.engine.wake(id);
    else void this.queue.wake([id]);
  }
}
