/** A socket is dead when it is silent for so many times the longest usual interval of its room. */
const FACTOR = 4;
/** No room is judged faster: heartbeats are answered every 10 s, and networks stall for seconds. */
const DEAD_MS_MIN = 15_000;
/** Intervals older than one to two of these are forgotten. */
const WINDOW_MS = 300_000;
/** What must be known of a room before it is judged by its own cadence. */
const LEARNT_MS = 60_000;
const LEARNT_FRAMES = 15;

/**
 * The cadence of one room over all its connections: how long its server usually stays silent between two frames of any
 * kind. A room without chat still counts its viewers every 2 s and answers heartbeats, so one that says nothing at all
 * for several times its longest usual interval has a dead socket.
 */
export class Cadence {
  private lastFrameAt = 0;
  private windowFrom = 0;
  private longestMs = 0;
  private longestBeforeMs = 0;
  private learntMs = 0;
  private frames = 0;

  /** A new connection: the time without one is no interval. */
  restart(): void {
    this.lastFrameAt = 0;
  }

  /** Call about once a second with the time of the last frame, in ms since 1970; 0 for none. */
  note(frameAt: number): void {
    if (frameAt === this.lastFrameAt) return;
    if (this.lastFrameAt > 0) this.learn(frameAt - this.lastFrameAt, frameAt);
    this.lastFrameAt = frameAt;
  }

  /** How long the room may be silent, in ms, at most `maxMs`, which holds until its cadence is known. */
  patienceMs(maxMs: number): number {
    if (this.learntMs < LEARNT_MS || this.frames < LEARNT_FRAMES) return maxMs;
    const longestMs = Math.max(this.longestMs, this.longestBeforeMs);
    return Math.min(maxMs, Math.max(DEAD_MS_MIN, FACTOR * longestMs));
  }

  private learn(intervalMs: number, at: number): void {
    if (at - this.windowFrom >= WINDOW_MS) {
      this.longestBeforeMs = this.windowFrom === 0 ? 0 : this.longestMs;
      this.longestMs = 0;
      this.windowFrom = at;
    }
    this.longestMs = Math.max(this.longestMs, intervalMs);
    this.learntMs += intervalMs;
    this.frames += 1;
  }
}
