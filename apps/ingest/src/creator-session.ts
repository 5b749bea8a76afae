import type { CreatorRecord, CreatorStatus, Lease } from '@tributary/creators';
import { backoffMs } from '@tributary/runtime/backoff';
import type { ResolveResult } from '@tributary/webcast';
import { type CreatorCarry, decodeCreatorCarry } from './carry.js';
import { CreatorVoice } from './creator-voice.js';
import { type LiveRoom, RoomLife } from './room-life.js';
import type { SessionServices, StopReason } from './session-services.js';
import { StatusKeeper } from './status-keeper.js';

export interface CreatorSessionOptions {
  services: SessionServices;
  record: CreatorRecord;
  lease: Lease;
}

/** A name that nobody has is asked for this much less often than one that is offline. */
const NOT_FOUND_PATIENCE = 5;
/** Polls that failed in a row before the creator is shown as in error. */
const FAILURES_SHOWN = 3;
/** Rest after a bug, so that it cannot spin. */
const BUG_BOUNDS = { firstMs: 5_000, maxMs: 300_000 };

/** One creator for as long as this worker holds its lease: waits until it is live, and lives through its rooms. */
export class CreatorSession {
  readonly lease: Lease;
  private readonly services: SessionServices;
  private readonly voice: CreatorVoice;
  private readonly status: StatusKeeper;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private life: RoomLife | undefined;
  private current: CreatorRecord;
  /** Polls that brought no answer, in a row; refusals counted apart, as they are waited out longer. */
  private failures = 0;
  private refusals = 0;
  private told: string | undefined;

  constructor({ services, record, lease }: CreatorSessionOptions) {
    this.services = services;
    this.current = record;
    this.lease = lease;
    this.voice = new CreatorVoice({
      creatorId: record.id,
      fence: lease.fence,
      appender: services.appender,
      now: () => services.clock.now(),
      onGap: (reason) => services.onGap(reason),
    });
    const carry = inheritedFrom(lease);
    if (carry) this.voice.inherit(carry);
    this.status = new StatusKeeper(services.worker, services.clock);
    if (record.userId !== undefined) this.status.user(record.userId);
  }

  get record(): CreatorRecord {
    return this.current;
  }

  /** Whether moving it to another worker would interrupt nothing. */
  get isQuiet(): boolean {
    return this.life === undefined;
  }

  get state(): CreatorStatus['state'] {
    return this.status.state;
  }

  /** Starts; it runs until {@link stop}. */
  start(): void {
    this.running ??= this.run(this.stopping.signal);
  }

  /** The registry's record: a changed handle counts from the next poll, changed options from the next message. */
  update(record: CreatorRecord): void {
    const before = this.current;
    this.current = record;
    if (before.uniqueId !== record.uniqueId || JSON.stringify(before.options) !== JSON.stringify(record.options)) this.life?.update();
  }

  /**
   * Ends: closes the socket and says so, with what the next holder must know. After `lost` nothing more is said.
   * Resolves when it is over; what was said is then taken by the log, but perhaps not yet appended.
   */
  async stop(reason: StopReason): Promise<void> {
    if (reason === 'lost') this.voice.close();
    const closed = this.life?.stop(reason);
    this.stopping.abort();
    await closed;
    await this.running;
    if (reason !== 'lost') this.voice.settle();
    this.voice.close();
  }

  /** Call about once a second: watches for silence, and says what memory could not take before. */
  tick(now: number): void {
    if (this.stopping.signal.aborted) return;
    this.life?.tick(now);
    this.voice.settle();
  }

  /** The lease was restored after a wipe: what stood beside it and on the board is written again. */
  restored(): void {
    this.voice.noteAgain();
    this.publishAgain();
  }

  /** What was published may not have arrived. */
  publishAgain(): void {
    this.status.publishAgain();
  }

  /** What has to be published, if anything. */
  takeStatus(now: number): CreatorStatus | undefined {
    return this.status.takeChanged(now);
  }

  /** The last status of this holder: nobody holds the creator now. */
  finalStatus(reason: StopReason): CreatorStatus {
    const { worker: _worker, queue: _queue, viewers: _viewers, ...rest } = this.status.status;
    return reason === 'paused' ? { ...rest, state: 'offline' } : rest;
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let bugs = 0; !signal.aborted; bugs += 1) {
      try {
        await this.live(signal);
      } catch (error) {
        this.life = undefined;
        this.services.logger.error({ creator: this.current.id, err: error }, 'a session failed; this is a bug, it starts again');
        this.status.enter('error', { reason: 'bug', message: 'the session failed; the reason is in the log of its worker' });
        if (!(await this.services.clock.sleep(backoffMs(bugs, BUG_BOUNDS), signal))) return;
      }
    }
  }

  private async live(signal: AbortSignal): Promise<void> {
    const { carried } = this.voice;
    let inherited = carried.live ? carried : undefined;
    let room: LiveRoom | undefined = inherited && { roomId: inherited.roomId };
    while (!signal.aborted) {
      room ??= await this.waitUntilLive(signal);
      if (!room) return;
      const life = new RoomLife({
        services: this.services,
        record: () => this.current,
        voice: this.voice,
        status: this.status,
        room,
        ...(inherited ? { inherited } : {}),
      });
      this.life = life;
      const outcome = await life.run(signal);
      this.life = undefined;
      inherited = undefined;
      room = outcome.kind === 'moved' ? outcome.room : undefined;
      if (outcome.kind === 'ended' && !(await this.services.clock.sleep(this.pollDelayMs(), signal))) return;
    }
  }

  private async waitUntilLive(signal: AbortSignal): Promise<LiveRoom | undefined> {
    while (!signal.aborted) {
      const found = await this.services.polls.poll(this.current.uniqueId, false, signal);
      if (!found) return undefined;
      if (found.kind === 'live') {
        this.failures = 0;
        this.refusals = 0;
        this.told = undefined;
        return { roomId: found.roomId, userId: found.userId, title: found.title };
      }
      if (!(await this.services.clock.sleep(this.notLive(found), signal))) return undefined;
    }
    return undefined;
  }

  /** Shows why there is nothing to connect to; returns how long to wait before the next poll, in ms. */
  private notLive(found: Exclude<ResolveResult, { kind: 'live' }>): number {
    const { timing } = this.services;
    switch (found.kind) {
      case 'offline':
        this.failures = 0;
        this.refusals = 0;
        this.told = undefined;
        this.status.user(found.userId);
        this.status.enter('offline');
        return this.pollDelayMs();
      case 'not-found': {
        const waitMs = this.pollDelayMs() * NOT_FOUND_PATIENCE;
        this.trouble('error', 'not-found', `TikTok knows no creator @${this.current.uniqueId}`, waitMs);
        return waitMs;
      }
      case 'blocked': {
        const waitMs = (found.retryAfterMs ?? backoffMs(this.refusals, timing.block)) + this.pollDelayMs() * Math.random();
        this.refusals += 1;
        this.trouble('blocked', `poll-${found.status}`, found.errors.at(-1) ?? `status ${found.status}`, waitMs);
        return waitMs;
      }
      case 'failed': {
        this.failures += 1;
        const waitMs = Math.max(this.pollDelayMs(), backoffMs(this.failures, timing.reconnect));
        const shown = this.failures >= FAILURES_SHOWN ? 'error' : this.status.state;
        this.trouble(shown, 'poll-failed', found.errors.join('; '), waitMs);
        return waitMs;
      }
    }
  }

  /** Shows a trouble at once, and tells it as an event when the creator enters it. */
  private trouble(state: CreatorStatus['state'], reason: string, message: string, waitMs: number): void {
    const retryAt = this.services.clock.now() + waitMs;
    this.status.enter(state, { reason, message, retryAt });
    if ((state !== 'error' && state !== 'blocked') || this.told === reason) return;
    this.told = reason;
    const where = { handle: this.current.uniqueId, roomId: '' };
    this.voice.monitor('monitor.error', where, { reason, message, retryAt: new Date(retryAt).toISOString() });
  }

  /** The poll interval with jitter, so that creators added together are not polled together for ever. */
  private pollDelayMs(): number {
    return Math.round(this.services.timing.pollMs * (0.75 + 0.5 * Math.random()));
  }
}

/** What the previous holder left; one that died left no beginning of the gap. */
function inheritedFrom({ carry: text, lastAt }: Lease): CreatorCarry | undefined {
  const carry = decodeCreatorCarry(text);
  if (!carry?.live || carry.gap || lastAt === undefined) return carry;
  return { ...carry, gap: { from: lastAt, reason: 'takeover' } };
}
