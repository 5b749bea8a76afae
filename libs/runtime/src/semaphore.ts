/** Gives a permit back. Only the first call counts. */
export type Release = () => void;

interface Waiter {
  start: () => void;
}

/** A bound on how many pieces of work run at once, with a queue in order of arrival. */
export class Semaphore {
  private running = 0;
  private readonly queue: Waiter[] = [];
  private readonly concurrency: number;
  private readonly queueMax: number;

  /** @param options `concurrency`: permits; `queueMax`: how many may wait for one, any number by default */
  constructor({ concurrency, queueMax = Infinity }: { concurrency: number; queueMax?: number }) {
    this.concurrency = concurrency;
    this.queueMax = queueMax;
  }

  /** A permit; `full` when the queue is; `aborted` when the signal aborted before there was one. */
  acquire(signal?: AbortSignal): Promise<Release | 'full' | 'aborted'> {
    if (signal?.aborted) return Promise.resolve('aborted' as const);
    if (this.running < this.concurrency) {
      this.running += 1;
      return Promise.resolve(this.releaser());
    }
    if (this.queue.length >= this.queueMax) return Promise.resolve('full' as const);
    return new Promise((resolve) => {
      const abort = () => {
        this.queue.splice(this.queue.indexOf(waiter), 1);
        resolve('aborted');
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener('abort', abort);
          resolve(this.releaser());
        },
      };
      this.queue.push(waiter);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Runs `work` with a permit. @throws Error when the queue is full */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.acquire();
    if (typeof release === 'string') throw new Error(`no permit: the queue is ${release}`);
    try {
      return await work();
    } finally {
      release();
    }
  }

  get state(): { running: number; waiting: number; concurrency: number } {
    return { running: this.running, waiting: this.queue.length, concurrency: this.concurrency };
  }

  /** Passes the permit to the next in the queue, so that no later caller overtakes it. */
  private releaser(): Release {
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
