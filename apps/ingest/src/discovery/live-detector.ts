import type { CreatorStatus } from '@tributary/creators';
import { backoffMs } from '@tributary/runtime/backoff';
import { BLOCK_BACKOFF, RETRY_BACKOFF } from '../pacing/backoff-bounds.js';
import type { Clock } from '../pacing/clock.js';
import type { CreatorContext } from '../session/creator-context.js';
import { LiveHours } from './live-hours.js';
import type { LivenessPoller, PollResult } from './liveness-poller.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A creator that was live within this time is likely to be live again soon. */
const RECENT_MS = 2 * HOUR_MS;
/** TikTok lets a broadcast that broke off continue in its old room for minutes only. */
const RESUMES_WITHIN_MS = 1_800_000;
/** How many times the usual interval lies between two polls, by how long the creator was not live. */
const LONG_OFFLINE: readonly { forMs: number; factor: number }[] = [
  { forMs: 28 * DAY_MS, factor: 8 },
  { forMs: 7 * DAY_MS, factor: 4 },
  { forMs: DAY_MS, factor: 2 },
];
const EXPECTED_FACTOR = 0.5;
/** A handle that nobody has is polled this much less often than an offline creator. */
const NOT_FOUND_FACTOR = 5;
/** Failed polls in a row before the creator's state is shown as an error. */
const FAILURES_SHOWN = 3;
/** Between two writes of the live hours of a running broadcast. */
const HOURS_WRITE_MS = 600_000;
/** Between two tries to open secrets: only a change of configuration helps. */
const SECRETS_RETRY_MS = 60_000;

/** A room as a poll found it. */
export interface LiveRoom {
  roomId: string;
  userId?: string;
  title?: string;
}

type NotLive = Exclude<PollResult, { kind: 'live' }>;

export interface LiveDetectorOptions {
  creator: CreatorContext;
  poller: LivenessPoller;
  clock: Clock;
  /** Between two polls of an offline creator, in ms, on average. See {@link pollFactor}. */
  pollMs: number;
}

/**
 * How often a creator is polled, as a multiple of the configured interval: half of it where the creator is expected (live
 * within two hours, or usually live at this hour of the week), up to 8 times after four weeks offline.
 * @param changedAt when somebody last added or changed the creator, ms since 1970
 */
export function pollFactor(hours: LiveHours, changedAt: number, now: number): number {
  const { lastLiveAt = 0 } = hours;
  if (now - lastLiveAt < RECENT_MS || hours.isUsual(now)) return EXPECTED_FACTOR;
  const quietMs = now - Math.max(lastLiveAt, changedAt);
  return LONG_OFFLINE.find(({ forMs }) => quietMs >= forMs)?.factor ?? 1;
}

/**
 * Waits until an offline creator is live. Only the live page or the room API name the room of a new broadcast, so the
 * creator is polled at an adaptive interval. A KNOWN room that may continue (prepared, paused, or ended minutes ago) is also
 * checked between two polls, in batches of 50. At times TikTok calls every room alive, so that check only advances the poll.
 */
export class LiveDetector {
  private readonly hours: LiveHours;
  private readonly startedAt: number;
  private hoursWrittenAt = 0;
  /** Polls without an answer, in a row. Refusals count apart, because their waits are longer. */
  private failures = 0;
  private refusals = 0;
  /** Reason of the problem that was last published as an event. */
  private publishedReason: string | undefined;
  /** The room for which a batched check has advanced the next poll. */
  private advancedFor: string | undefined;
  /** The room that a batched check called alive and a poll did not: it is not checked again. */
  private contradicted: string | undefined;
  private sleeping: AbortController | undefined;
  /** The record changed since the last poll began. */
  private isWoken = false;

  constructor(private readonly options: LiveDetectorOptions) {
    this.hours = LiveHours.decode(options.creator.publisher.state.hours);
    this.startedAt = options.clock.now();
  }

  /** The creator is live now. Call it about once a second; the hours are written every ten minutes. */
  markLive(now: number): void {
    if (now - this.hoursWrittenAt < HOURS_WRITE_MS) return;
    this.hoursWrittenAt = now;
    this.hours.mark(now);
    this.options.creator.publisher.updateState({ hours: this.hours.encode() });
  }

  /** The record has changed: polls now, with the new handle and options. */
  wake(): void {
    this.isWoken = true;
    this.sleeping?.abort();
  }

  /** A room has ended: waits as long as between two polls. False when `signal` aborts. */
  waitAfterRoom(signal: AbortSignal): Promise<boolean> {
    this.hours.mark(this.options.clock.now());
    this.hoursWrittenAt = 0;
    return this.sleep(this.pollDelayMs(), signal);
  }

  /** Polls until the creator is live; undefined when `signal` aborts. */
  async untilLive(signal: AbortSignal): Promise<LiveRoom | undefined> {
    const { creator, poller, clock } = this.options;
    while (!signal.aborted) {
      this.isWoken = false;
      const found = await poller.poll(creator.record(), false, signal);
      if (!found) return undefined;
      if (found.kind !== 'live') {
        await this.waitForNextPoll(found, signal);
        continue;
      }
      this.clearProblem();
      this.advancedFor = undefined;
      this.contradicted = undefined;
      // The first event of the room then carries the hours.
      this.hoursWrittenAt = 0;
      this.markLive(clock.now());
      return { roomId: found.roomId, userId: found.userId, title: found.title };
    }
    return undefined;
  }

  /** Waits for the next poll: half as long where a batched check finds the room alive meanwhile. */
  private async waitForNextPoll(found: NotLive, signal: AbortSignal): Promise<void> {
    const waitMs = this.showNotLive(found);
    const { creator, poller, clock } = this.options;
    const mayResume = found.kind === 'offline' && (found.isOpen || clock.now() - (this.hours.lastLiveAt ?? 0) < RESUMES_WITHIN_MS);
    const roomId = mayResume ? found.roomId : undefined;
    if (found.kind === 'offline' && found.roomId === this.advancedFor) this.contradicted = this.advancedFor;
    this.advancedFor = undefined;
    if (roomId === undefined || roomId === this.contradicted) {
      await this.sleep(waitMs, signal);
      return;
    }
    if (!(await this.sleep(waitMs / 2, signal)) || this.isWoken) return;
    if (await poller.isAlive(creator.record(), roomId, false, signal)) this.advancedFor = roomId;
    else await this.sleep(waitMs / 2, signal);
  }

  /** Shows why there is no room; returns how long to wait before the next poll, in ms. */
  private showNotLive(found: NotLive): number {
    const { status, record } = this.options.creator;
    switch (found.kind) {
      case 'offline':
        this.clearProblem();
        status.setUser(found.userId);
        status.setState('offline');
        return this.pollDelayMs();
      case 'secrets-unreadable':
        this.showProblem('error', 'secrets-unreadable', found.message, SECRETS_RETRY_MS);
        return SECRETS_RETRY_MS;
      case 'not-found': {
        const waitMs = this.pollDelayMs() * NOT_FOUND_FACTOR;
        this.showProblem('error', 'not-found', `TikTok knows no creator @${record().uniqueId}`, waitMs);
        return waitMs;
      }
      case 'blocked': {
        const waitMs = (found.retryAfterMs ?? backoffMs(this.refusals, BLOCK_BACKOFF)) + this.pollDelayMs() * Math.random();
        this.refusals += 1;
        this.showProblem('blocked', `poll-${found.status}`, found.errors.at(-1) ?? `status ${found.status}`, waitMs);
        return waitMs;
      }
      case 'failed': {
        this.failures += 1;
        const waitMs = Math.max(this.pollDelayMs(), backoffMs(this.failures, RETRY_BACKOFF));
        const shown = this.failures >= FAILURES_SHOWN ? 'error' : status.state;
        this.showProblem(shown, 'poll-failed', found.errors.join('; '), waitMs);
        return waitMs;
      }
    }
  }

  private clearProblem(): void {
    this.failures = 0;
    this.refusals = 0;
    this.publishedReason = undefined;
  }

  /** Shows a problem in the status at once, and publishes it as an event when it is a new one. */
  private showProblem(state: CreatorStatus['state'], reason: string, message: string, waitMs: number): void {
    const { status, publisher, record } = this.options.creator;
    const retryAt = Math.round(this.options.clock.now() + waitMs);
    status.setState(state, { reason, message, retryAt });
    if ((state !== 'error' && state !== 'blocked') || this.publishedReason === reason) return;
    this.publishedReason = reason;
    const where = { handle: record().uniqueId, roomId: '' };
    publisher.publishMonitor('monitor.error', where, { reason, message, retryAt: new Date(retryAt).toISOString() });
  }

  /** Sleeps until `ms` have passed or the record changes. False when `signal` aborts. */
  private async sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.isWoken) return !signal.aborted;
    const sleeping = new AbortController();
    const end = () => sleeping.abort();
    this.sleeping = sleeping;
    signal.addEventListener('abort', end, { once: true });
    await this.options.clock.sleep(signal.aborted ? 0 : ms, sleeping.signal);
    signal.removeEventListener('abort', end);
    this.sleeping = undefined;
    return !signal.aborted;
  }

  /** The poll interval with jitter, so that creators added together are not polled together for ever. */
  private pollDelayMs(): number {
    const { creator, clock, pollMs } = this.options;
    const factor = pollFactor(this.hours, creator.record().changedAt ?? this.startedAt, clock.now());
    return Math.round(pollMs * factor * (0.75 + 0.5 * Math.random()));
  }
}
