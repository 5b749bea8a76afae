import type { Logger } from '@tributary/runtime';

/** A socket that can be left unread. */
export interface PausableSocket {
  pause(): void;
  resume(): void;
}

export interface BackPressureOptions {
  /** Sockets stay unread for this long at most, in ms: TikTok closes sockets that do not read. */
  pauseMsMax: number;
  logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Leaves the sockets of a worker unread while its memory is short, so that TikTok holds messages back before any is lost.
 * After the longest pause messages are taken as far as memory allows, and the rest becomes a gap. The next pause comes
 * only after memory was free again.
 */
export class BackPressure {
  private readonly sockets = new Set<PausableSocket>();
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

  /** How long sockets were unread since the start, in ms. */
  get pausedMs(): number {
    return this.totalMs + (this.pausedAt === undefined ? 0 : performance.now() - this.pausedAt);
  }

  /** Memory has become short, or is free again. */
  setMemoryShort(isShort: boolean): void {
    if (isShort === this.isPaused || this.isStopped) return;
    if (isShort) this.pause();
    else this.resume();
  }

  /** An open socket: it is paused with the others. */
  add(socket: PausableSocket): void {
    this.sockets.add(socket);
    if (this.isPaused) socket.pause();
  }

  remove(socket: PausableSocket): void {
    this.sockets.delete(socket);
  }

  /** Reads all sockets again, for good. */
  stop(): void {
    this.isStopped = true;
    if (this.isPaused) this.resume();
  }

  private pause(): void {
    this.pausedAt = performance.now();
    this.counts.pauses += 1;
    for (const socket of this.sockets) socket.pause();
    const { logger, pauseMsMax } = this.options;
    this.timer = setTimeout(() => {
      this.counts.exhausted += 1;
      logger.warn({ sockets: this.sockets.size }, 'memory is still short; sockets are read again, and what does not fit is a gap');
      this.resume();
    }, pauseMsMax);
    logger.warn({ sockets: this.sockets.size }, 'memory is short; sockets are not read');
  }

  private resume(): void {
    clearTimeout(this.timer);
    const tookMs = this.pausedAt === undefined ? 0 : Math.round(performance.now() - this.pausedAt);
    this.totalMs += tookMs;
    this.pausedAt = undefined;
    for (const socket of this.sockets) socket.resume();
    this.options.logger.info({ sockets: this.sockets.size, tookMs }, 'sockets are read again');
  }
}
