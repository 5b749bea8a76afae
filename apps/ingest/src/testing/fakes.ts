import type { CreatorRecord, Lease, OpenedSecrets } from '@tributary/creators';
import type { DataOf, EventDraft, EventType, GapReason } from '@tributary/events';
import type { BundleResult, Signer } from '@tributary/signing';
import type { ConnectionEnd, ConnectionStats, ConnectResult, NormaliserCounters, ResolveResult, WireMessage } from '@tributary/webcast';
import { LivenessPoller, type Resolver } from '../discovery/liveness-poller.js';
import type { Clock } from '../pacing/clock.js';
import { CreatorSession, type SessionServices } from '../session/creator-session.js';
import type { ConnectionReport, Normaliser } from '../session/message-pipeline.js';
import type { Connection, ConnectionOptions } from '../session/room-services.js';
import { SignScheduler } from '../signing/sign-scheduler.js';

const START = Date.UTC(2026, 10, 22, 10);
/** Rounds of the microtask queue, enough for any chain of promises between two sleeps. */
const ROUNDS = 60;

/** Runs everything that does not wait for the clock. */
export async function settle(): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) await Promise.resolve();
}

/** Time that moves when a test says so. */
export class ManualClock implements Clock {
  private time = START;
  private readonly sleepers = new Set<{ at: number; wake(slept: boolean): void }>();

  now(): number {
    return this.time;
  }

  sleep(ms: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onAbort = () => sleeper.wake(false);
      const sleeper = {
        at: this.time + ms,
        wake: (slept: boolean) => {
          this.sleepers.delete(sleeper);
          signal.removeEventListener('abort', onAbort);
          resolve(slept);
        },
      };
      this.sleepers.add(sleeper);
      signal.addEventListener('abort', onAbort);
    });
  }

  /** Moves time, waking sleepers in their order; `everySecond` runs at each whole second on the way. */
  async advance(ms: number, everySecond?: (now: number) => void): Promise<void> {
    const end = this.time + ms;
    await settle();
    while (this.time < end) {
      const second = everySecond ? Math.floor(this.time / 1000) * 1000 + 1000 : end;
      const next = Math.min(end, second, ...[...this.sleepers].map(({ at }) => Math.max(at, this.time)));
      this.time = next;
      for (const sleeper of [...this.sleepers]) if (sleeper.at <= this.time) sleeper.wake(true);
      await settle();
      if (everySecond && next === second) everySecond(next);
      await settle();
    }
  }
}

/** A connection of which the test is the server. */
export class FakeConnection implements Connection {
  readonly stats: ConnectionStats;
  isOpen = false;

  constructor(
    readonly options: ConnectionOptions,
    private readonly clock: Clock,
    private readonly answer: ConnectResult,
    private readonly initial: WireMessage[],
  ) {
    const zero = { openedAt: 0, lastFrameAt: 0, lastMessageAt: 0, listeningSince: 0, frames: 0, bytes: 0, messages: 0, badFrames: 0 };
    this.stats = { ...zero, otherFrames: 0, acks: 0, acksSkipped: 0, entered: false };
  }

  async connect(signal: AbortSignal): Promise<ConnectResult> {
    await Promise.resolve();
    if (signal.aborted) return { ok: false, reason: 'aborted', message: 'aborted' };
    if (!this.answer.ok) return this.answer;
    this.isOpen = true;
    this.stats.openedAt = this.clock.now();
    this.stats.lastFrameAt = this.clock.now();
    this.stats.lastMessageAt = this.clock.now();
    this.options.onOpen();
    if (this.initial.length > 0) this.receive(...this.initial);
    return { ok: true };
  }

  /** Delivers messages in one frame. */
  receive(...messages: WireMessage[]): void {
    if (!this.isOpen) throw new Error('the connection is not open');
    this.stats.frames += 1;
    this.stats.messages += messages.length;
    this.stats.lastFrameAt = this.clock.now();
    this.stats.lastMessageAt = this.clock.now();
    this.options.onMessages(messages, this.clock.now());
  }

  /** A frame without messages, such as the answer to a heartbeat. */
  beat(): void {
    this.stats.frames += 1;
    this.stats.lastFrameAt = this.clock.now();
  }

  /** The server or the network ends it. */
  drop(reason: ConnectionEnd['reason'] = 'disconnect', code = 1006, parts: Partial<ConnectionEnd> = {}): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.options.onClose({ reason, code, message: reason, durationMs: this.clock.now() - this.stats.openedAt, ...parts });
  }

  async close(reason: 'closed-by-us' | 'silence' = 'closed-by-us'): Promise<void> {
    await Promise.resolve();
    this.drop(reason, 1000);
  }
}

let messageCount = 0;

/** A chat message with an id of its own; `end` ends the stream, `pause` pauses it, `gift` changes its saved state. */
export function message(method: 'chat' | 'end' | 'pause' | 'gift' = 'chat', msgId = String((messageCount += 1))): WireMessage {
  return { method, msgId, payload: new Uint8Array(0) };
}

class FakeNormaliser implements Normaliser {
  readonly counters: NormaliserCounters = { messages: 0, duplicates: 0, unknown: 0, decodeErrors: 0, filtered: 0, events: 0 };
  readonly state: { ended?: 'ended'; paused?: boolean; viewers?: number } = {};
  private readonly ids: Set<string>;
  private gifts: number;
  private isChanged = false;

  constructor(
    private readonly owner: { creatorId: string; handle: string; roomId: string },
    private readonly types: readonly string[] | undefined,
    savedState: string | undefined,
    recentIds: readonly string[],
  ) {
    this.gifts = Number(savedState ?? 0);
    this.ids = new Set(recentIds);
  }

  normalise({ method, msgId }: WireMessage, receivedAt: number): EventDraft[] {
    this.counters.messages += 1;
    if (method === 'end') this.state.ended = 'ended';
    if (method === 'pause') this.state.paused = true;
    if (this.ids.has(msgId)) {
      this.counters.duplicates += 1;
      return [];
    }
    this.ids.add(msgId);
    if (method === 'gift') {
      this.gifts += 1;
      this.isChanged = true;
    }
    if (this.types && !this.types.includes(`tiktok.live.${method}`)) return [];
    const id = `${this.owner.roomId}-${msgId}`;
    return [{ id, type: `tiktok.live.${method}`, ...this.owner, time: receivedAt, receivedAt, data: {} }];
  }

  sweep(): EventDraft[] {
    return [];
  }

  takeSavedState(): string | undefined {
    if (!this.isChanged) return undefined;
    this.isChanged = false;
    return String(this.gifts);
  }

  recentIds(): string[] {
    return [...this.ids];
  }
}

/** What was appended, and a memory that can be full. */
export class FakeLog {
  readonly drafts: (EventDraft & { fence: string })[] = [];
  handoverState: string | undefined;
  isFull = false;

  append(draft: EventDraft, fence: string, handoverState?: string): boolean {
    if (this.isFull) return false;
    this.drafts.push({ ...draft, fence });
    this.handoverState = handoverState ?? this.handoverState;
    return true;
  }

  types(): string[] {
    return this.drafts.map(({ type }) => type);
  }

  /** Data of the events of one type. */
  all<T extends EventType>(type: T): DataOf<T>[] {
    return this.drafts.filter((draft) => draft.type === type).map(({ data }) => data as DataOf<T>);
  }
}

/** A TikTok, a signer and a log of the test's own, with one session between them. */
export class SessionHarness {
  readonly clock = new ManualClock();
  log = new FakeLog();
  readonly connections: FakeConnection[] = [];
  readonly gaps: GapReason[] = [];
  readonly ends: ConnectionReport[] = [];
  polls = 0;
  /** Rooms of each batched check. */
  readonly checks: string[][] = [];
  signCalls = 0;
  /** TikTok calls every room alive in batched checks. */
  isAlwaysAlive = false;
  found: ResolveResult = { kind: 'offline' };
  bundle: (roomId: string) => BundleResult = (roomId) => ({
    ok: true,
    bundle: { fetchResult: new Uint8Array(0), cookies: '', roomId, userAgent: 'test', provider: 'fake' },
  });
  connectResult: ConnectResult = { ok: true };
  initial: () => WireMessage[] = () => [];
  isGated = false;
  /** What the secrets of the creator open to. */
  opened: OpenedSecrets = { ok: true, secrets: {} };
  readonly record: CreatorRecord = { id: 'cr_1', uniqueId: 'alice', paused: false, options: {} };
  readonly services: SessionServices;

  constructor() {
    const { clock } = this;
    const signer: Pick<Signer, 'fetchBundle' | 'roomId'> = {
      fetchBundle: ({ roomId }) => {
        this.signCalls += 1;
        return Promise.resolve(this.bundle(roomId));
      },
      roomId: () => Promise.resolve({ ok: true, live: false }),
    };
    const resolver: Resolver = {
      resolve: () => {
        this.polls += 1;
        return Promise.resolve(this.found);
      },
      checkAlive: (roomIds) => {
        this.checks.push([...roomIds]);
        const { found } = this;
        if (found.kind === 'blocked') return Promise.resolve(found);
        const alive = new Map(roomIds.map((id) => [id, this.isAlwaysAlive || (found.kind === 'live' && found.roomId === id)]));
        return Promise.resolve(found.kind === 'failed' ? found : { kind: 'ok', alive });
      },
      roomInfo: () => Promise.resolve(this.isGated ? { kind: 'gated', code: 20_003 } : { kind: 'finished' }),
    };
    const secrets = () => this.opened;
    this.services = {
      worker: 'w1',
      clock,
      logger: { info: () => undefined, warn: () => undefined, error: this.onError },
      pollMs: 60_000,
      silenceMs: 60_000,
      poller: new LivenessPoller({ resolver, perSecondMax: 20, clock, secrets }),
      signer: new SignScheduler({ signer, perMinuteMax: 600, clock, secrets }),
      log: { append: (draft, fence, state) => this.log.append(draft, fence, state) },
      rooms: {
        connection: (options) => {
          const connection = new FakeConnection(options, clock, this.connectResult, this.initial());
          this.connections.push(connection);
          return connection;
        },
        normaliser: ({ record, roomId, savedState, recentIds = [] }) =>
          new FakeNormaliser({ creatorId: record.id, handle: record.uniqueId, roomId }, record.options.types, savedState, recentIds),
      },
      metrics: {
        totals: { received: 0, unreadFrames: 0, undecodable: 0, decoded: 0 },
        gap: (reason) => this.gaps.push(reason),
        reconnect: () => undefined,
        connectionEnd: (report) => this.ends.push(report),
      },
    };
  }

  /** A session under a lease. */
  session(lease: Partial<Lease> = {}): CreatorSession {
    return new CreatorSession({ record: this.record, lease: { creatorId: 'cr_1', fence: '1000', from: 'new', ...lease } }, this.services);
  }

  /** A session that is live in room 7000000000000000001, started and connected. */
  async liveSession(lease: Partial<Lease> = {}): Promise<CreatorSession> {
    this.found = live();
    const session = this.session(lease);
    session.start();
    await settle();
    return session;
  }

  /** The newest connection. */
  get connection(): FakeConnection {
    const connection = this.connections.at(-1);
    if (!connection) throw new Error('no connection was made');
    return connection;
  }

  private readonly onError = (fields: object): void => {
    throw new Error(`logged as an error: ${String((fields as { err?: unknown }).err)}`);
  };
}

export const ROOM = '7000000000000000001';

export function live(roomId = ROOM): ResolveResult {
  return { kind: 'live', roomId, uniqueId: 'alice', userId: '42', title: 'a title' };
}
