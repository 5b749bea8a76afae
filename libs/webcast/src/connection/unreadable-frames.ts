/** Readable frames that compensate for one unreadable frame. */
const READ_PER_UNREAD = 8;

/**
 * Decides when a connection has too many unreadable frames: several in a row, or every second one for a while. A single one now
 * and then is accepted.
 */
export class UnreadableFrames {
  private debt = 0;
  private from = 0;

  /** @param inARowMax frames in a row, with none that was read, at which a connection is of no use */
  constructor(private readonly inARowMax: number) {}

  /** ms since 1970 of the last message before the unreadable frames that are not compensated; undefined where there are none. */
  get since(): number | undefined {
    return this.debt === 0 ? undefined : this.from;
  }

  /** Counts a frame that could not be read; true when they are too many. `lastMessageAt` is ms since 1970. */
  unread(lastMessageAt: number): boolean {
    if (this.debt === 0) this.from = lastMessageAt;
    this.debt += READ_PER_UNREAD;
    return this.debt >= READ_PER_UNREAD * this.inARowMax;
  }

  /** Counts a frame that was read. */
  read(): void {
    if (this.debt > 0) this.debt -= 1;
  }
}
