import type { ServerResponse } from 'node:http';

/** Bounds of one live stream. */
export class StreamLimits {
  /** A comment is sent this often, so that proxies keep the connection and a client notices a dead one. */
  heartbeatMs = 15_000;
  /** A client that takes nothing for this long is cut off. */
  drainMsMax = 30_000;
  /** Unsent bytes kept for one client. */
  bufferBytesMax = 1_048_576;
  /** A stream with an `until` waits this long after it for events that were received before it. */
  lateMs = 5_000;
  /** Streams of one process, whatever their keys. */
  streamsMax = 5_000;
}

/** What became of a write: `slow` and `closed` end the stream. */
export type WriteOutcome = 'sent' | 'slow' | 'closed';

/** Writes to one client at the client's pace: never more than a bounded buffer ahead of it. */
export class SseWriter {
  private blocked = false;

  constructor(
    private readonly response: ServerResponse,
    private readonly limits: StreamLimits,
  ) {}

  /** Whether a write would go out at once. */
  get ready(): boolean {
    return !this.blocked && !this.response.destroyed && !this.response.writableEnded;
  }

  /** Writes, then waits while the client's buffer is full. */
  async write(text: string): Promise<WriteOutcome> {
    const { response, limits } = this;
    if (response.destroyed || response.writableEnded) return 'closed';
    if (response.write(text)) return 'sent';
    if (response.writableLength > limits.bufferBytesMax) return 'slow';
    this.blocked = true;
    const outcome = await this.drained();
    this.blocked = false;
    return outcome;
  }

  /** Says why the stream ends, and ends it; a client that does not even take that is dropped. */
  close(farewell: string): void {
    const { response } = this;
    if (response.destroyed || response.writableEnded) return;
    response.end(farewell);
    const timer = setTimeout(() => response.destroy(), 1_000);
    response.once('close', () => clearTimeout(timer));
  }

  private drained(): Promise<WriteOutcome> {
    const { response } = this;
    return new Promise((resolve) => {
      const settle = (outcome: WriteOutcome) => () => {
        clearTimeout(timer);
        response.off('drain', sent);
        response.off('close', closed);
        resolve(outcome);
      };
      const sent = settle('sent');
      const closed = settle('closed');
      const timer = setTimeout(settle('slow'), this.limits.drainMsMax);
      response.once('drain', sent);
      response.once('close', closed);
    });
  }
}
