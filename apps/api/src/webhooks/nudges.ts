import type { Runners } from './runners.js';
import type { WakeQueue } from './wake-queue.js';

/** Tells whoever runs an endpoint that it has changed, in this process or another. A hint: who misses it looks by itself within seconds. */
export class Nudges {
  constructor(
    private readonly queue: WakeQueue,
    private readonly runners: Runners | undefined,
  ) {}

  nudge(id: string): void {
    if (this.runners?.holds(id)) void this.runners.wake(id);
    else void this.queue.wake([id]);
  }
}
