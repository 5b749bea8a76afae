import type { ConnectionStats } from '@tributary/webcast';

/** A socket is dead when it is silent for this many times the longest usual interval of its room. */
const DEAD_INTERVALS = 4;
/** No socket is called dead sooner: heartbeats are answered every 10 s, and networks stall for seconds. */
const DEAD_MS_MIN = 15_000;
/** Intervals are remembered for one to two of these. */
const WINDOW_MS = 300_000;
/** What must be known of a room before its own intervals decide. */
const LEARNT_MS = 60_000;
const LEARNT_FRAMES = 15;
/** Silence doubles the limits up to this many times: 60 s become 16 minutes. */
const DOUBLINGS_MAX = 4;
/** A paused stream may be silent this many times longer. */
const PAUSED_FACTOR = 4;
/** Checks come each second. After a longer break this process itself stood still (stopped, or without CPU). */
const STALL_MS = 5_000;

/**
 * Decides when a connection to one room is dead, over all connections to that room. It is dead without a message for
 * `silenceMs`, or without any frame for several times the longest usual interval between two frames. Even a room without
 * chat counts its viewers every 2 s and answers heartbeats.
 */
export class SilenceDetector {
  private lastFrameAt = 0;
  private windowFrom = 0;
  private longestMs = 0;
  private longestBeforeMs = 0;
  private learntMs = 0;
  private frames = 0;
  /** Connections in a row that ended silent. */
  private silences = 0;
  private checkedAt: number | undefined;
  /** When this process last continued after it had stood still. */
  private resumedAt = 0;

  /** @param silenceMs a connection without a message for this long is dead */
  constructor(private readonly silenceMs: number) {}

  /** A new connection has opened: the time before it is no interval. */
  startConnection(): void {
    this.lastFrameAt = 0;
    this.checkedAt = undefined;
    this.resumedAt = 0;
  }

  /** A connection has ended. After one that was not good (short, or without messages) silence counts on. */
  endConnection(isGood: boolean, isSilent: boolean): void {
    this.silences = (isGood ? 0 : this.silences) + (isSilent ? 1 : 0);
  }

  /** Whether the open connection is dead. Call it about once a second; `now` is ms since 1970. */
  isSilent({ lastMessageAt, lastFrameAt, listeningSince }: ConnectionStats, isPaused: boolean, now: number): boolean {
    if (this.checkedAt !== undefined && now - this.checkedAt > STALL_MS) this.resumedAt = now;
    this.checkedAt = now;
    // Back-pressure: nobody reads the socket, so its silence shows nothing.
    if (listeningSince === Infinity) {
      this.lastFrameAt = 0;
      return false;
    }
    // What came while this process stood still waits in the socket, and is read after this check.
    if (lastFrameAt < this.resumedAt) this.lastFrameAt = 0;
    else this.noteFrame(lastFrameAt);
    const patience = 2 ** Math.min(this.silences, DOUBLINGS_MAX);
    const silenceMs = this.silenceMs * (isPaused ? Math.max(patience, PAUSED_FACTOR) : patience);
    const messageAt = Math.max(lastMessageAt, listeningSince, this.resumedAt);
    // A dead socket answers no heartbeat either, even in a paused room.
    const deadMs = this.deadMs(silenceMs) * patience;
    return now - messageAt >= silenceMs || now - Math.max(lastFrameAt, messageAt) >= deadMs;
  }

  private noteFrame(frameAt: number): void {
    if (frameAt === this.lastFrameAt) return;
    if (this.lastFrameAt > 0) this.learn(frameAt - this.lastFrameAt, frameAt);
    this.lastFrameAt = frameAt;
  }

  /** How long the room may be without a frame, in ms: `maxMs` until its usual intervals are known. */
  private deadMs(maxMs: number): number {
    if (this.learntMs < LEARNT_MS || this.frames < LEARNT_FRAMES) return maxMs;
    const longestMs = Math.max(this.longestMs, this.longestBeforeMs);
    return Math.min(maxMs, Math.max(DEAD_MS_MIN, DEAD_INTERVALS * longestMs));
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
