const HOUR_MS = 3_600_000;
const HOURS = 168;
/** A score falls by one each week: an hour is usual when the creator was live in it within three weeks. */
const SCORE_MAX = 3;
/** Two bits for each hour. */
const BYTES = HOURS / 4;

/**
 * When a creator was live, by hour of the week (UTC): polls are more frequent in its usual hours. The handover state
 * holds it in some 70 characters, so that it survives a restart and a move to another worker.
 */
export class LiveHours {
  private readonly scores = new Uint8Array(HOURS);
  private week = 0;
  private last: number | undefined;

  /** Reads what {@link encode} wrote; an unreadable text is an empty history. */
  static decode(text: string | undefined): LiveHours {
    const hours = new LiveHours();
    const [, last, week, scores] = /^([0-9a-z]{1,9})\.([0-9a-z]{1,5})\.([\w-]{56})$/.exec(text ?? '') ?? [];
    if (last === undefined || week === undefined || scores === undefined) return hours;
    hours.last = Number.parseInt(last, 36) * 1000;
    hours.week = Number.parseInt(week, 36);
    const bytes = Buffer.from(scores, 'base64url');
    for (let hour = 0; hour < HOURS; hour += 1) hours.scores[hour] = ((bytes[hour >> 2] ?? 0) >> ((hour & 3) * 2)) & 3;
    return hours;
  }

  /** ms since 1970 when the creator was last live. */
  get lastLiveAt(): number | undefined {
    return this.last;
  }

  /** The creator is live at this moment (ms since 1970). */
  mark(at: number): void {
    this.age(at);
    this.last = Math.max(this.last ?? 0, at);
    this.scores[hourOf(at)] = SCORE_MAX;
  }

  /** Whether the creator was live around this hour in one of the last weeks. One hour of tolerance: streams start late, and clocks change in spring. */
  isUsual(at: number): boolean {
    this.age(at);
    return [-1, 0, 1].some((by) => (this.scores[hourOf(at + by * HOUR_MS)] ?? 0) > 0);
  }

  /** Undefined for a creator that was never live. */
  encode(): string | undefined {
    if (this.last === undefined) return undefined;
    const bytes = Buffer.alloc(BYTES);
    this.scores.forEach((score, hour) => (bytes[hour >> 2]! |= score << ((hour & 3) * 2)));
    return `${Math.floor(this.last / 1000).toString(36)}.${this.week.toString(36)}.${bytes.toString('base64url')}`;
  }

  private age(at: number): void {
    const week = Math.floor(at / (HOURS * HOUR_MS));
    const passed = week - this.week;
    if (passed <= 0) return;
    this.week = week;
    for (let hour = 0; hour < HOURS; hour += 1) this.scores[hour] = Math.max(0, (this.scores[hour] ?? 0) - passed);
  }
}

function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) % HOURS;
}
