import type { CreatorRecord, CreatorSecrets, CreatorStatus } from '@tributary/creators';
import { backoffMs } from '@tributary/runtime/backoff';
import type { ResolveResult } from '@tributary/webcast';
import type { CreatorVoice } from '../session/creator-publisher.js';
import { LiveHours } from './live-hours.js';
import type { LiveRoom } from '../session/room-session.js';
import type { SessionServices } from '../session/session-services.js';
import type { StatusKeeper } from '../status/status-tracker.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A creator that was live within this time is likely to come back. */
const RECENT_MS = 2 * HOUR_MS;
/** TikTok lets a broadcast that broke off go on in its old room for minutes only. */
const COMES_BACK_MS = 1_800_000;
/** How many times the usual wait passes between polls, by how long nothing was heard of a creator. */
const LONG_OFFLINE: readonly { forMs: number; factor: number }[] = [
  { forMs: 28 * DAY_MS, factor: 8 },
  { forMs: 7 * DAY_MS, factor: 4 },
  { forMs: DAY_MS, factor: 2 },
];
const EXPECTED_FACTOR = 0.5;
/** A name that nobody has is asked for this much less often than one that is offline. */
const NOT_FOUND_PATIENCE = 5;
/** Polls that failed in a row before the creator is shown as in error. */
const FAILURES_SHOWN = 3;
/** Between two notes of a running broadcast. */
const NOTE_MS = 600_000;
/** Between two looks at secrets that do not open: only a change of configuration helps. */
const SECRETS_MS = 60_000;

export interface LiveWatchOptions {
  services: SessionServices;
  /** The record as it is now. */
  record: () => CreatorRecord;
  voice: CreatorVoice;
  status: StatusKeeper;
}

/**
 * How often a creator is polled, as a multiple of the configured interval: half of it where it is expected (it was live
 * within two hours, or is about this time of the week), up to 8 times it after four weeks of nothing.
 * @param changedAt when somebody last added or changed it, ms since 1970
 */
export function pollFactor(hours: LiveHours, changedAt: number, now: number): number {
  const { lastLiveAt = 0 } = hours;
  if (now - lastLiveAt < RECENT_MS || hours.isUsual(now)) return EXPECTED_FACTOR;
  const quietMs = now - Math.max(lastLiveAt, changedAt);
  return LONG_OFFLINE.find(({ forMs }) => quietMs >= forMs)?.factor ?? 1;
}

/**
 * Waits until an offline creator is live. A new broadcast has a new room id that only its page or the room API tells, so
 * these are polled at an adaptive pace. Whether a KNOWN room is on air is asked in batches of 50, between two polls,
 * where it may come back: it is prepared or paused, or ended minutes ago. At times TikTok calls every room alive, so that
 * answer only hastens the next poll, which decides.
 */
export class LiveWatch {
  private readonly hours: LiveHours;
  private readonly startedAt: number;
  private notedAt = 0;
  /** Polls that brought no answer, in a row; refusals counted apart, as they are waited out longer. */
  private failures = 0;
  private refusals = 0;
  private told: string | undefined;
  /** The room for which a batched check has hastened the poll that is due. */
  private hastened: string | undefined;
  /** The room that a batched check called alive and a poll did not: the batch is not asked for it again. */
  private contradicted: string | undefined;
  private napping: AbortController | undefined;
  /** The record changed since the last poll began. */
  private isWoken = false;

  constructor(private readonly options: LiveWatchOptions) {
    this.hours = LiveHours.decode(options.voice.carried.hours);
    this.startedAt = options.services.clock.now();
  }

  /** The creator is live now. Call it about once a second: what is learnt of its hours is written now and then. */
  liveAt(now: number): void {
    if (now - this.notedAt < NOTE_MS) return;
    this.notedAt = now;
    this.hours.mark(now);
    this.options.voice.note({ hours: this.hours.encode() });
  }

  /** The record has changed: it is polled now, by its new handle and options. */
  wake(): void {
    this.isWoken = true;
    this.napping?.abort();
  }

  /** A room has ended: waits as long as between two polls. False when `signal` aborts. */
  afterRoom(signal: AbortSignal): Promise<boolean> {
    this.hours.mark(this.options.services.clock.now());
    this.notedAt = 0;
    return this.nap(this.pollDelayMs(), signal);
  }

  /** Polls until it is live; undefined when `signal` aborts. */
  async untilLive(signal: AbortSignal): Promise<LiveRoom | undefined> {
    while (!signal.aborted) {
      const { services, record } = this.options;
      this.isWoken = false;
      const opened = services.secrets(record());
      if (!opened.ok) {
        this.trouble('error', 'secrets-unreadable', opened.message, SECRETS_MS);
        if (!(await this.nap(SECRETS_MS, signal))) return undefined;
        continue;
      }
      const found = await services.polls.poll(record().uniqueId, false, signal, opened.secrets.proxy);
      if (!found) return undefined;
      if (found.kind !== 'live') {
        await this.rest(found, opened.secrets, signal);
        continue;
      }
      this.calm();
      this.hastened = undefined;
      this.contradicted = undefined;
      // The first event of its room carries the hour on.
      this.notedAt = 0;
      this.liveAt(services.clock.now());
      return { roomId: found.roomId, userId: found.userId, title: found.title };
    }
    return undefined;
  }

  /** Waits for the next poll: half as long where a batched check says meanwhile that its room is back. */
  private async rest(found: Exclude<ResolveResult, { kind: 'live' }>, { proxy }: CreatorSecrets, signal: AbortSignal): Promise<void> {
    const waitMs = this.notLive(found);
    const { services } = this.options;
    const now = services.clock.now();
    const mayComeBack = found.kind === 'offline' && (found.isOpen || now - (this.hours.lastLiveAt ?? 0) < COMES_BACK_MS);
    const roomId = mayComeBack ? found.roomId : undefined;
    if (found.kind === 'offline' && found.roomId === this.hastened) this.contradicted = this.hastened;
    this.hastened = undefined;
    if (roomId === undefined || roomId === this.contradicted) {
      await this.nap(waitMs, signal);
      return;
    }
    if (!(await this.nap(waitMs / 2, signal)) || this.isWoken) return;
    if (await services.polls.isAlive(roomId, false, signal, proxy)) this.hastened = roomId;
    else await this.nap(waitMs / 2, signal);
  }

  /** Shows why there is nothing to connect to; returns how long to wait before the next poll, in ms. */
  private notLive(found: Exclude<ResolveResult, { kind: 'live' }>): number {
    const { services, status, record } = this.options;
    switch (found.kind) {
      case 'offline':
        this.calm();
        status.user(found.userId);
        status.enter('offline');
        return this.pollDelayMs();
      case 'not-found': {
        const waitMs = this.pollDelayMs() * NOT_FOUND_PATIENCE;
        this.trouble('error', 'not-found', `TikTok knows no creator @${record().uniqueId}`, waitMs);
        return waitMs;
      }
      case 'blocked': {
        const waitMs = (found.retryAfterMs ?? backoffMs(this.refusals, services.timing.block)) + this.pollDelayMs() * Math.random();
        this.refusals += 1;
        this.trouble('blocked', `poll-${found.status}`, found.errors.at(-1) ?? `status ${found.status}`, waitMs);
        return waitMs;
      }
      case 'failed': {
        this.failures += 1;
        const waitMs = Math.max(this.pollDelayMs(), backoffMs(this.failures, services.timing.reconnect));
        const shown = this.failures >= FAILURES_SHOWN ? 'error' : status.state;
        this.trouble(shown, 'poll-failed', found.errors.join('; '), waitMs);
        return waitMs;
      }
    }
  }

  private calm(): void {
    this.failures = 0;
    this.refusals = 0;
    this.told = undefined;
  }

  /** Shows a trouble at once, and tells it as an event when the creator enters it. */
  private trouble(state: CreatorStatus['state'], reason: string, message: string, waitMs: number): void {
    const { services, status, voice, record } = this.options;
    const retryAt = Math.round(services.clock.now() + waitMs);
    status.enter(state, { reason, message, retryAt });
    if ((state !== 'error' && state !== 'blocked') || this.told === reason) return;
    this.told = reason;
    const where = { handle: record().uniqueId, roomId: '' };
    voice.monitor('monitor.error', where, { reason, message, retryAt: new Date(retryAt).toISOString() });
  }

  /** Sleeps, at most until somebody changes the record. False when `signal` aborts. */
  private async nap(ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.isWoken) return !signal.aborted;
    const napping = new AbortController();
    const end = () => napping.abort();
    this.napping = napping;
    signal.addEventListener('abort', end, { once: true });
    await this.options.services.clock.sleep(signal.aborted ? 0 : ms, napping.signal);
    signal.removeEventListener('abort', end);
    this.napping = undefined;
    return !signal.aborted;
  }

  /** The poll interval with jitter, so that creators added together are not polled together for ever. */
  private pollDelayMs(): number {
    const { services, record } = this.options;
    const factor = pollFactor(this.hours, record().changedAt ?? this.startedAt, services.clock.now());
    return Math.round(services.timing.pollMs * factor * (0.75 + 0.5 * Math.random()));
  }
}
