/** Totals of one worker since its start: what came out of sockets, and how far it got. */
export interface Stages {
  /** Messages. */
  received: number;
  /** Messages that could not be decoded. */
  undecodable: number;
  /** Events that memory did not take. */
  turnedAway: number;
  /** Events taken, in the inbox, and confirmed by the store. */
  taken: number;
  appended: number;
  confirmed: number;
}

/** What holds events up, by the stage they do not reach; empty when nothing does. */
export type DriftReport = Partial<Record<'decode' | 'memory' | 'inbox' | 'store', string>>;

/** Looked back on for what is lost between two stages, in samples of one second. */
const WINDOW = 15;
const UNAPPENDED_MS_MAX = 15_000;
const UNCONFIRMED_MS_MAX = 60_000;
/** TikTok sends a few odd messages at any time; a change of its format shows in many. */
const UNDECODABLE_SHARE_MAX = 0.05;
const UNDECODABLE_MIN = 20;

/** How long the later of two stages has not reached what the earlier one had. */
class Lag {
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

/** Watches the stages of a worker, and says which one does not keep up. */
export class Drift {
  private readonly samples: Stages[] = [];
  private readonly unappended = new Lag();
  private readonly unconfirmed = new Lag();

  /** Call once a second; `now` in ms. */
  sample(stages: Stages, now: number): void {
    this.samples.push(stages);
    if (this.samples.length > WINDOW + 1) this.samples.shift();
    this.unappended.sample(stages.taken, stages.appended, now);
    this.unconfirmed.sample(stages.appended, stages.confirmed, now);
  }

  report(now: number): DriftReport {
    const [oldest, newest] = [this.samples[0], this.samples.at(-1)];
    if (!oldest || !newest) return {};
    const report: DriftReport = {};
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
