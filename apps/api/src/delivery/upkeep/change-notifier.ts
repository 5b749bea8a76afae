import { Injectable, Optional } from '@nestjs/common';
import { DeliveryEngine } from '../engine.js';
import { WakeQueue } from './wake-queue.js';

/** Notifies the process that serves an endpoint of a change. Only a hint: every process looks for changes each second anyway. */
@Injectable()
export class ChangeNotifier {
  constructor(
    private readonly queue: WakeQueue,
    @Optional() private readonly engine?: DeliveryEngine,
  ) {}

  notifyChanged(id: string): void {
    if (this.engine?.serves(id)) void this.engine.wake(id);
    else void this.queue.wake([id]);
  }
}
