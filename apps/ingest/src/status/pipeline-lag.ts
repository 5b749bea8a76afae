/** Totals of one worker since its start, at each stage of the pipeline from the socket to the store. */
export interface PipelineTotals {
  /** Messages out of sockets. */
  received: number;
  /** Messages that could not be decoded. */
  undecodable: number;
  /** Events that memory did not take. */
  turnedAway: number;
  /** Events that memory took, that are in the inbox, and that the store confirmed. */
  taken: number;
  appended: number;
  confirmed: number;
}

/** For each stage that events do not reach, one sentence; empty when all is well. */
export type LagReport = Partial<Record<'decode' | 'memory' | 'inbox' | 'store', string>>;

/** Losses between two stages are summed over so many samples of one second. */
const WINDOW = 15;
const UNAPPENDED_MS_MAX = 15_000;
const UNCONFIRMED_MS_MAX = 60_000;
/** TikTok sends a few odd messages at any time; a change of its format shows in many. */
const UNDECODABLE_SHARE_MAX = 0.05;
const UNDECODABLE_MIN = 20;

/** How long a later stage has not reached the total that an earlier stage had. */
class StageLag {
  private target = 0;
  private since: number | undefined;

  sample(earlier: number, later: number, now: number): void {
    if (later < this.target) return;
    this.target = earlier;
    this.since = later < earlier ? now : undefined;
  }

  ms(now: number): number {
    return this.since === undefined ? 0 : now - this.since;
  }
}

/** Measures the stages of a worker, and reports the one that does not keep up. */
export class PipelineLag {
  private readonly samples: PipelineTotals[] = [];
  private readonly unappended = new StageLag();
  private readonly unconfirmed = new StageLag();

  /** Call it once a second; `now` in ms. */
  sample(totals: PipelineTotals, now: number): void {
    this.samples.push(totals);
    if (this.samples.length > WINDOW + 1) this.samples.shift();
    this.unappended.sample(totals.taken, totals.appended, now);
    this.unconfirmed.sample(totals.appended, totals.confirmed, now);
  }

  report(now: number): LagReport {
    const [oldest, newest] = [this.samples[0], this.samples.at(-1)];
    if (!oldest || !newest) return {};
    const report: LagReport = {};
    const messages = newest.received - oldest.received;
    const undecodable = newest.undecodable - oldest.undecodable;
    const turnedAway = newest.turnedAway - oldest.turnedAway;
    if (undecodable >= UNDECODABLE_MIN && undecodable > messages * UNDECODABLE_SHARE_MAX)
      report.decode = `of ${messages} messages received within ${WINDOW} s, ${undecodable} could not be decoded`;
    if (turnedAway > 0) report.memory = `${turnedAway} events decoded within ${WINDOW} s were not taken: memory is full`;
    const unappendedMs = this.unappended.ms(now);
    if (unappendedMs > UNAPPENDED_MS_MAX)
      report.inbox = `events are received (${newest.received} messages, ${newest.taken} events) but not appended (${newest.appended} events) for ${seconds(unappendedMs)}`;
    const unconfirmedMs = this.unconfirmed.ms(now);
    if (unconfirmedMs > UNCONFIRMED_MS_MAX)
      report.store = `${newest.appended - newest.confirmed} events are appended but not confirmed by the store for ${seconds(unconfirmedMs)}`;
    return report;
  }
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
