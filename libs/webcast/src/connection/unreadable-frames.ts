/** Frames that were read and make up for one that was not. */
const READ_PER_UNREAD = 8;

/**
 * Weighs the frames of a connection that could not be read against those that could: some in a row are too many, and so is
 * every second one for a while, but not one here and there.
 */
export class UnreadableFrames {
  private debt = 0;
  private from = 0;

  /** @param inARowMax frames in a row, with none that was read, at which a connection is of no use */
  constructor(private readonly inARowMax: number) {}

  /** ms since 1970 of the last message before the frames that are not made up for; undefined where there are none. */
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
