import type { Closed } from './codec.js';

/** What became of a write. `slow`: the client takes too little; `closed`: it is gone. Both end the subscription. */
export type WriteOutcome = 'sent' | 'slow' | 'closed';

/** One client of one subscription, whatever is between them: a body of HTTP, a socket, or a part of a socket. */
export interface LiveConnection {
  /** Whether a write would go out at once. Heartbeats wait for nobody. */
  readonly ready: boolean;
  /**
   * Writes encoded messages in order, and waits while the client's buffer is full: the subscription goes at the client's pace.
   * The buffer has a bound in bytes and the wait one in ms; past either, the outcome is `slow`.
   */
  write(texts: readonly string[]): Promise<WriteOutcome>;
  /** Tells the client why the server ends the subscription, and ends it. A client that does not take even that is dropped. */
  close(closed: Closed): void;
  /** Drops the client without a word, after a fault of ours. */
  destroy(): void;
  /** Calls `left` when the client is gone, at once where it is gone already. It may be called again. */
  onLeft(left: () => void): void;
}
