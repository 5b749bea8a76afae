interface Waiting {
  start: () => void;
}

/** A bound on how many calls run at once, with a bounded queue in order of arrival. */
export class Slots {
  private running = 0;
  private readonly queue: Waiting[] = [];

  constructor(private readonly bounds: { concurrency: number; queueMax: number }) {}

  /** A place, given back by the function; `full` when the queue is, `gone` when the signal aborted before there was one. */
  acquire(signal: AbortSignal): Promise<(() => void) | 'full' | 'gone'> {
    if (signal.aborted) return Promise.resolve('gone' as const);
    if (this.running < this.bounds.concurrency) {
      this.running += 1;
      return Promise.resolve(this.releaser());
    }
    if (this.queue.length >= this.bounds.queueMax) return Promise.resolve('full' as const);
    return new Promise((resolve) => {
      const leave = () => {
        this.queue.splice(this.queue.indexOf(waiting), 1);
        resolve('gone');
      };
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', leave);
          resolve(this.releaser());
        },
      };
      this.queue.push(waiting);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  get state(): { running: number; waiting: number; concurrency: number } {
    return { running: this.running, waiting: this.queue.length, concurrency: this.bounds.concurrency };
  }

  /** Passes the place on to the next in the queue, so that nobody overtakes it. */
  private releaser(): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.queue.shift();
      if (next) next.start();
      else this.running -= 1;
    };
  }
}
