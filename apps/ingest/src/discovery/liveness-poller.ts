import { type RequestIdentity, type CheckAliveResult, readProxy, type ResolveResult, type RoomInfoResult } from '@tributary/webcast';
import type { Dispatcher } from 'undici';
import type { Clock } from '../pacing/clock.js';
import { Egress } from './poll-address.js';

/** A proxy that nobody polls through for this long is closed. */
const IDLE_MS = 600_000;
/** Proxies known at a time before unused ones are looked for. */
const EGRESSES_TIDY = 64;
const OWN = '';
const CROWDED_S = 2;

/** What finds rooms. */
export interface Resolver {
  resolve(uniqueId: string, signal: AbortSignal, identity?: RequestIdentity): Promise<ResolveResult>;
  checkAlive(roomIds: readonly string[], signal: AbortSignal, identity?: RequestIdentity): Promise<CheckAliveResult>;
  roomInfo(roomId: string, signal: AbortSignal, identity?: RequestIdentity): Promise<RoomInfoResult>;
}

export interface PollDeskOptions {
  resolver: Resolver;
  /** Requests in any second through one address. */
  perSecondMax: number;
  clock: Clock;
  /** How requests go through a proxy. */
  dispatcher?(proxy: string): Dispatcher;
}

/**
 * Everything a worker asks TikTok about liveness goes through here: paced for each address it is asked from, as TikTok
 * blocks one that asks too often. `proxy` chooses the address; without one it is this machine's.
 */
export class PollDesk {
  private readonly egresses = new Map<string, Egress>();
  private readonly dispatchers = new Map<string, Dispatcher>();

  constructor(private readonly options: PollDeskOptions) {}

  /** Polls that wait for their turn. */
  get waiting(): number {
    return [...this.egresses.values()].reduce((sum, { queue }) => sum + queue.waiting, 0);
  }

  /** Whether a poll through this address would wait for {@link CROWDED_S} seconds or more. */
  isCrowded(proxy?: string): boolean {
    return this.egress(proxy).queue.waiting >= CROWDED_S * this.options.perSecondMax;
  }

  /** Addresses in use, and those of them that rest. */
  get addresses(): { used: number; resting: number } {
    const now = this.options.clock.now();
    return { used: this.egresses.size, resting: [...this.egresses.values()].filter(({ restsUntil }) => restsUntil > now).length };
  }

  /** ms since 1970 until when this machine's own address rests; in the past when it does not. */
  get restsUntil(): number {
    return this.egresses.get(OWN)?.restsUntil ?? 0;
  }

  /** Waits for its turn and asks; undefined when `signal` aborts. Answers `blocked` without asking while the address rests. */
  async poll(uniqueId: string, urgent: boolean, signal: AbortSignal, proxy?: string): Promise<ResolveResult | undefined> {
    const egress = this.egress(proxy);
    const outcome = await egress.ask(
      uniqueId,
      urgent,
      signal,
      (identity) => this.options.resolver.resolve(uniqueId, signal, identity),
      blockIn,
    );
    if (!outcome || outcome.kind === 'answer') return outcome?.answer;
    const { status, retryAfterMs } = outcome;
    return { kind: 'blocked', status, retryAfterMs, errors: [`TikTok blocks ${egress.name} (${status}); nothing is asked from there`] };
  }

  /**
   * Whether a room is on air, in one request with up to 49 others. It says nothing of another room of the same creator;
   * undefined when TikTok does not say, the address rests, or `signal` aborts.
   */
  isAlive(roomId: string, urgent: boolean, signal: AbortSignal, proxy?: string): Promise<boolean | undefined> {
    return this.egress(proxy).isAlive(roomId, urgent, signal);
  }

  /** Whether a room wants a login, or is behind an age gate. */
  async isGated(roomId: string, signal: AbortSignal, proxy?: string): Promise<boolean> {
    const outcome = await this.egress(proxy).ask(
      roomId,
      true,
      signal,
      (identity) => this.options.resolver.roomInfo(roomId, signal, identity),
      (info) => (info.kind === 'blocked' ? info : info.kind === 'failed' ? 'unknown' : undefined),
    );
    return outcome?.kind === 'answer' && outcome.answer.kind === 'gated';
  }

  /** Closes what leads through proxies. */
  async stop(): Promise<void> {
    await Promise.all([...this.dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    this.dispatchers.clear();
  }

  private egress(proxy = OWN): Egress {
    const known = this.egresses.get(proxy);
    if (known) return known;
    if (this.egresses.size >= EGRESSES_TIDY) this.tidy();
    const { clock, perSecondMax, resolver } = this.options;
    const read = proxy === OWN ? undefined : readProxy(proxy);
    const dispatcher = proxy === OWN ? undefined : this.options.dispatcher?.(proxy);
    if (dispatcher) this.dispatchers.set(proxy, dispatcher);
    const egress = new Egress({
      name: read ? `the proxy ${read.ok ? read.shown : ''}` : 'this address',
      perSecondMax,
      clock,
      identity: dispatcher ? { dispatcher } : {},
      checkAlive: (roomIds, signal, identity) => resolver.checkAlive(roomIds, signal, identity),
    });
    this.egresses.set(proxy, egress);
    return egress;
  }

  private tidy(): void {
    const oldest = this.options.clock.now() - IDLE_MS;
    for (const [proxy, egress] of this.egresses) {
      if (proxy === OWN || egress.usedAt > oldest || !egress.isIdle) continue;
      this.egresses.delete(proxy);
      void this.dispatchers.get(proxy)?.destroy();
      this.dispatchers.delete(proxy);
    }
  }
}

/** A refusal counts against the address even where the sign server could answer in TikTok's place. */
function blockIn(result: ResolveResult) {
  if (result.kind === 'blocked') return result;
  if (result.kind === 'failed') return 'unknown';
  return result.kind === 'not-found' ? undefined : result.block;
}
