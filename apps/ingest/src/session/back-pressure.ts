/** A socket that can be left unread. */
export interface Pausable {
  pause(): void;
  resume(): void;
}

export interface BackPressureOptions {
  /** Sockets stay unread for this long at most, in ms: TikTok cuts those that do not read. */
  pauseMsMax: number;
  logger: { warn(fields: object, message: string): void; info(fields: object, message: string): void };
}

/**
 * Leaves the sockets of a worker unread while its memory is short, so that TikTok's side waits before anything is lost.
 * What comes when the longest pause is over is taken as far as memory goes, and the rest becomes a recorded gap; the next
 * pause needs memory to have become free in between.
 */
export class BackPressure {
  private readonly links = new Set<Pausable>();
  private timer: NodeJS.Timeout | undefined;
  private pausedAt: number | undefined;
  private totalMs = 0;
  private isStopped = false;
  /** Pauses since the start, and those that lasted as long as they may. */
  readonly counts = { pauses: 0, exhausted: 0 };

  constructor(private readonly options: BackPressureOptions) {}

  get isPaused(): boolean {
    return this.pausedAt !== undefined;
  }

  /** Time that sockets were unread since the start, in ms. */
  get pausedMs(): number {
    return this.totalMs + (this.pausedAt === undefined ? 0 : performance.now() - this.pausedAt);
  }

  /** Memory has become short, or is free again. */
  press(isHigh: boolean): void {
    if (isHigh === this.isPaused || this.isStopped) return;
    if (isHigh) this.pause();
    else this.resume();
  }

  /** An open socket: it is held back with the others. */
  add(link: Pausable): void {
    this.links.add(link);
    if (this.isPaused) link.pause();
  }

  remove(link: Pausable): void {
    this.links.delete(link);
  }

  /** Reads everything again, for good. */
  stop(): void {
    this.isStopped = true;
    if (this.isPaused) this.resume();
  }

  private pause(): void {
    this.pausedAt = performance.now();
    this.counts.pauses += 1;
    for (const link of this.links) link.pause();
    this.timer = setTimeout(() => {
      this.counts.exhausted += 1;
      this.options.logger.warn(
        { sockets: this.links.size },
        'memory is still short; sockets are read again, and what does not fit is a gap',
      );
      this.resume();
    }, this.options.pauseMsMax);
    this.options.logger.warn({ sockets: this.links.size }, 'memory is short; sockets are not read');
  }

  private resume(): void {
    clearTimeout(this.timer);
    const tookMs = Math.round(performance.now() - this.pausedAt!);
    this.totalMs += tookMs;
    this.pausedAt = undefined;
    for (const link of this.links) link.resume();
    this.options.logger.info({ sockets: this.links.size, tookMs }, 'sockets are read again');
  }
}
