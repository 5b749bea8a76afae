import type { CreatorRecord, OpenedSecrets } from '@tributary/creators';
import { type CheckAliveResult, readProxy, type RequestIdentity, type ResolveResult, type RoomInfoResult } from '@tributary/webcast';
import type { Dispatcher } from 'undici';
import type { Clock } from '../pacing/clock.js';
import { PollAddress } from './poll-address.js';

/** A proxy that no creator uses for this long is closed. */
const IDLE_MS = 600_000;
/** From this many known addresses on, idle ones are looked for. */
const CLEANUP_ADDRESSES_MIN = 64;
/** Key of this machine's own address: no proxy. */
const OWN_ADDRESS = '';
const CROWDED_S = 2;

/** What finds rooms: the RoomResolver of libs/webcast, or a test's. */
export interface Resolver {
  resolve(uniqueId: string, signal: AbortSignal, identity?: RequestIdentity): Promise<ResolveResult>;
  checkAlive(roomIds: readonly string[], signal: AbortSignal, identity?: RequestIdentity): Promise<CheckAliveResult>;
  roomInfo(roomId: string, signal: AbortSignal, identity?: RequestIdentity): Promise<RoomInfoResult>;
}

/** Whom a poll is for: its secrets choose the address. */
export type PolledCreator = Pick<CreatorRecord, 'id' | 'uniqueId' | 'options'>;

/** `secrets-unreadable`: nothing was sent, because without its proxy the creator would be polled from another address. */
export type PollResult = ResolveResult | { kind: 'secrets-unreadable'; message: string };

export interface LivenessPollerOptions {
  resolver: Resolver;
  /** Requests in any second through one address. */
  perSecondMax: number;
  clock: Clock;
  /** Session cookie and proxy of a creator, in clear. */
  secrets(creator: PolledCreator): OpenedSecrets;
  /** How requests go through a proxy. */
  dispatcher?(proxy: string): Dispatcher;
}

/**
 * Sends all of a worker's questions about who is live, at a bounded rate for each address that TikTok sees: TikTok blocks
 * an address that asks too often. A creator with a proxy is polled through it, all others from this machine's address.
 */
export class LivenessPoller {
  private readonly byProxy = new Map<string, PollAddress>();
  private readonly dispatchers = new Map<string, Dispatcher>();

  constructor(private readonly options: LivenessPollerOptions) {}

  /** Requests that wait in a queue. */
  get waiting(): number {
    return [...this.byProxy.values()].reduce((sum, { queue }) => sum + queue.waiting, 0);
  }

  /** Addresses in use, and those of them that are in cooldown. */
  get addresses(): { used: number; inCooldown: number } {
    const now = this.options.clock.now();
    return { used: this.byProxy.size, inCooldown: [...this.byProxy.values()].filter(({ cooldownUntil }) => cooldownUntil > now).length };
  }

  /** ms since 1970 when the cooldown of this machine's own address ends; in the past when there is none. */
  get cooldownUntil(): number {
    return this.byProxy.get(OWN_ADDRESS)?.cooldownUntil ?? 0;
  }

  /** Whether a poll of this creator would wait for {@link CROWDED_S} seconds or more. */
  isCrowded(creator: PolledCreator): boolean {
    const opened = this.options.secrets(creator);
    return opened.ok && this.address(opened.secrets.proxy).queue.waiting >= CROWDED_S * this.options.perSecondMax;
  }

  /** Waits in the queue and polls; undefined when `signal` aborts. `blocked` without a request while the address is in cooldown. */
  async poll(creator: PolledCreator, urgent: boolean, signal: AbortSignal): Promise<PollResult | undefined> {
    const opened = this.options.secrets(creator);
    if (!opened.ok) return { kind: 'secrets-unreadable', message: opened.message };
    const { uniqueId } = creator;
    const address = this.address(opened.secrets.proxy);
    const request = (identity: RequestIdentity) => this.options.resolver.resolve(uniqueId, signal, identity);
    const outcome = await address.send(uniqueId, urgent, signal, request, blockIn);
    if (!outcome || outcome.kind === 'answer') return outcome?.answer;
    const { status, retryAfterMs } = outcome;
    return { kind: 'blocked', status, retryAfterMs, errors: [`TikTok blocks ${address.name} (${status}); no request is sent from there`] };
  }

  /**
   * Whether a room is on air, in one request with up to 49 others. It shows nothing of another room of the same creator.
   * Undefined when TikTok names no state, the address is in cooldown, the secrets do not open, or `signal` aborts.
   */
  async isAlive(creator: PolledCreator, roomId: string, urgent: boolean, signal: AbortSignal): Promise<boolean | undefined> {
    const opened = this.options.secrets(creator);
    return opened.ok ? this.address(opened.secrets.proxy).isAlive(roomId, urgent, signal) : undefined;
  }

  /** Whether a room wants a login, or is behind an age gate. */
  async isGated(creator: PolledCreator, roomId: string, signal: AbortSignal): Promise<boolean> {
    const opened = this.options.secrets(creator);
    if (!opened.ok) return false;
    const outcome = await this.address(opened.secrets.proxy).send(
      roomId,
      true,
      signal,
      (identity) => this.options.resolver.roomInfo(roomId, signal, identity),
      (info) => (info.kind === 'blocked' ? info : info.kind === 'failed' ? 'unknown' : undefined),
    );
    return outcome?.kind === 'answer' && outcome.answer.kind === 'gated';
  }

  /** Closes the connections to proxies. */
  async stop(): Promise<void> {
    await Promise.all([...this.dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    this.dispatchers.clear();
  }

  private address(proxy = OWN_ADDRESS): PollAddress {
    const known = this.byProxy.get(proxy);
    if (known) return known;
    if (this.byProxy.size >= CLEANUP_ADDRESSES_MIN) this.removeIdle();
    const { clock, perSecondMax, resolver } = this.options;
    const read = proxy === OWN_ADDRESS ? undefined : readProxy(proxy);
    const dispatcher = proxy === OWN_ADDRESS ? undefined : this.options.dispatcher?.(proxy);
    if (dispatcher) this.dispatchers.set(proxy, dispatcher);
    const address = new PollAddress({
      name: read ? `the proxy ${read.ok ? read.shown : ''}` : 'this address',
      perSecondMax,
      clock,
      identity: dispatcher ? { dispatcher } : {},
      checkAlive: (roomIds, signal, identity) => resolver.checkAlive(roomIds, signal, identity),
    });
    this.byProxy.set(proxy, address);
    return address;
  }

  private removeIdle(): void {
    const oldest = this.options.clock.now() - IDLE_MS;
    for (const [proxy, address] of this.byProxy) {
      if (proxy === OWN_ADDRESS || address.usedAt > oldest || !address.isIdle) continue;
      this.byProxy.delete(proxy);
      void this.dispatchers.get(proxy)?.destroy();
      this.dispatchers.delete(proxy);
    }
  }
}

/** A refusal counts against the address even where the sign server answered in TikTok's place. */
function blockIn(result: ResolveResult) {
  if (result.kind === 'blocked') return result;
  if (result.kind === 'failed') return 'unknown';
  return result.kind === 'not-found' ? undefined : result.block;
}
