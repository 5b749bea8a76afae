import type { DeliveryEngine } from '../engine.js';
import type { WakeQueue } from './wake-queue.js';

/** Notifies the process that serves an endpoint of a change. Only a hint: every process looks for changes each second anyway. */
export class ChangeNotifier {
  constructor(
    private readonly queue: WakeQueue,
    private readonly engine: DeliveryEngine | undefined,
  ) {}

  notifyChanged(id: string): void {
    if (this.engine?.serves(id)) void this.engine.wake(id);
    else void this.queue.wake([id]);
  }
}
