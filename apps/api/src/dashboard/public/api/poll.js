/** Work that is repeated while somebody looks. */

/** What takes long is asked for less often: it rests this many times as long as it took. */
const REST = 15;

/** Runs `work` now and again every `ms` while the page is visible, one run at a time, until it is stopped. */
export class Poll {
  running = false;
  again = false;
  stopped = false;
  restsUntil = 0;

  /**
   * @param {number} ms
   * @param {() => Promise<void>} work
   * @param {(failure?: unknown) => void} onResult called after each run, with what was thrown
   */
  constructor(ms, work, onResult) {
    this.work = work;
    this.onResult = onResult;
    this.timer = setInterval(() => document.hidden || Date.now() < this.restsUntil || void this.now(), ms);
    this.seen = () => document.hidden || void this.now();
    document.addEventListener('visibilitychange', this.seen);
    void this.now();
  }

  /** Runs at once; a run that is under way is followed by another one. */
  async now() {
    if (this.stopped) return;
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = true;
    const began = Date.now();
    let failure;
    do {
      this.again = false;
      failure = undefined;
      try {
        await this.work();
      } catch (error) {
        failure = error;
      }
    } while (this.again && !this.stopped);
    this.running = false;
    this.restsUntil = Date.now() + REST * (Date.now() - began);
    if (!this.stopped) this.onResult(failure);
  }

  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    document.removeEventListener('visibilitychange', this.seen);
  }
}
