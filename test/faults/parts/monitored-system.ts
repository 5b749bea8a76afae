import { setTimeout as delay } from 'node:timers/promises';
import { callJson, type Stack, type StackProcess, waitFor } from '@tributary/testing';

/** Silence after which a connection is replaced, in ms; with the default of a minute each injection would last minutes. */
export const SILENCE_MS = 10_000;
/** One room in ten is busy: a quiet room often gets missed messages back as history. */
const BUSY_EVERY = 10;
const BUSY_TIMES = 4;
const READY_MS_MAX = 90_000;
/** A paused stream may be silent 16 times as long as others before its socket is replaced. */
const RECOVERED_MS_MAX = 16 * SILENCE_MS + 80_000;

interface RoomSummary {
  uniqueId: string;
  connections: number;
  connectedAt: number | null;
}

interface CreatorSummary {
  id: string;
  uniqueId: string;
  state: string;
  worker: string | null;
}

export interface MonitoredSystemOptions {
  stack: Stack;
  creators: number;
  rate: number;
  random: () => number;
  /** Aborts every wait. */
  signal: AbortSignal;
}

/** One stack with its creators, and helpers for faults. */
export class MonitoredSystem {
  readonly stack: Stack;
  readonly random: () => number;
  readonly handles: string[] = [];

  constructor(protected readonly options: MonitoredSystemOptions) {
    this.stack = options.stack;
    this.random = options.random;
  }

  /** Messages a second of an ordinary room. */
  get rate(): number {
    return this.options.rate;
  }

  /** Opens the rooms, monitors them, and waits until all are received and spread over the workers. */
  async populate(): Promise<void> {
    const { creators, rate } = this.options;
    const busy = Math.floor(creators / BUSY_EVERY);
    for (const [prefix, count, times] of [
      ['busy_', busy, BUSY_TIMES],
      ['room_', creators - busy, 1],
    ] as const)
      await this.sim('POST', '/rooms/batch', { count, prefix, rate: rate * times, live: true });
    this.handles.push(...(await this.rooms()).map(({ uniqueId }) => uniqueId));
    await this.stack.call('POST', '/v1/creators/batch', { creators: this.handles.map((uniqueId) => ({ uniqueId })) });
    await this.allReceived();
    const most = Math.ceil((creators / this.stack.workers.length) * 1.15);
    await this.wait('the creators to be spread', RECOVERED_MS_MAX, async () => {
      const held = new Map<string | null, number>();
      for (const { worker } of await this.creators()) held.set(worker, (held.get(worker) ?? 0) + 1);
      return held.size === this.stack.workers.length && Math.max(...held.values()) <= most;
    });
  }

  /** The simulator's control API. */
  sim<T>(method: string, path: string, body?: unknown): Promise<T> {
    return callJson<T>(method, `${this.stack.urls.simulator}/sim${path}`, body);
  }

  /** Handles of the creators that a worker reports to hold. */
  async heldBy(worker: StackProcess): Promise<string[]> {
    const creators = await this.creators();
    return creators.filter((creator) => creator.worker === worker.name).map(({ uniqueId }) => uniqueId);
  }

  /** Waits until each of these rooms has an open connection that was opened after `since` (ms since 1970). */
  async reconnected(handles: readonly string[], since: number): Promise<void> {
    const wanted = new Set(handles);
    let left = wanted.size;
    await this.wait(
      () => `${left} of ${wanted.size} rooms to be connected to again`,
      RECOVERED_MS_MAX,
      async () => {
        const back = (await this.rooms()).filter(({ uniqueId, connectedAt }) => wanted.has(uniqueId) && (connectedAt ?? 0) > since);
        left = wanted.size - back.length;
        return left === 0;
      },
    );
  }

  /**
   * Waits until others than `worker` hold these creators, live, and their rooms are connected to. A connection need not be new:
   * one that was on its way from that worker already has its next one.
   */
  async heldByOthers(handles: readonly string[], worker: StackProcess): Promise<void> {
    const wanted = new Set(handles);
    let left = wanted.size;
    await this.wait(
      () => `${left} of ${wanted.size} creators to be live with another worker than ${worker.name}`,
      RECOVERED_MS_MAX,
      async () => {
        const connected = new Set((await this.rooms()).filter(({ connections }) => connections > 0).map(({ uniqueId }) => uniqueId));
        const held = (await this.creators()).filter((one) => one.state === 'live' && one.worker !== null && one.worker !== worker.name);
        left = wanted.size - held.filter(({ uniqueId }) => wanted.has(uniqueId) && connected.has(uniqueId)).length;
        return left === 0;
      },
    );
  }

  /** Waits until the api is ready, every creator is shown as live, and every room is connected to. */
  async allReceived(): Promise<void> {
    const count = this.options.creators;
    await this.wait('the api to be ready', READY_MS_MAX, async () => (await fetch(`${this.stack.urls.api}/readyz`)).ok);
    let live = 0;
    let connected = 0;
    await this.wait(
      () => `${count} creators to be live (${live} are) and connected to (${connected} are)`,
      RECOVERED_MS_MAX,
      async () => {
        live = (await this.creators()).filter(({ state }) => state === 'live').length;
        connected = (await this.rooms()).filter(({ connections }) => connections > 0).length;
        return live === count && connected === count;
      },
    );
  }

  /** Ends the traffic. */
  async hush(): Promise<void> {
    await this.sim('DELETE', '/faults');
    await this.sim('PATCH', '/rooms', { rate: 0 });
  }

  /** Waits for a random time between these, in ms. */
  pause(fromMs: number, toMs: number): Promise<void> {
    return this.sleep(fromMs + this.random() * (toMs - fromMs));
  }

  sleep(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.options.signal });
  }

  /** The worker of a random creator, so that one that holds nothing yet is none, and all that it holds. */
  async victim(): Promise<{ victim: StackProcess; concerned: string[] }> {
    const creators = await this.creators();
    const { worker } = creators[Math.floor(this.random() * creators.length)]!;
    const victim = this.stack.workers.find(({ name }) => name === worker);
    if (!victim) throw new Error(`there is no worker ${worker}`);
    return { victim, concerned: creators.filter((creator) => creator.worker === worker).map(({ uniqueId }) => uniqueId) };
  }

  /** Some of the creators. */
  sample(count: number): string[] {
    const left = [...this.handles];
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(Math.floor(this.random() * left.length), 1)[0]!);
  }

  protected rooms(): Promise<RoomSummary[]> {
    return this.sim('GET', '/rooms');
  }

  /** Every creator, as the api shows it. */
  async creators(): Promise<CreatorSummary[]> {
    const all: CreatorSummary[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { data: CreatorSummary[]; next: string | null } = await this.stack.call(
        'GET',
        `/v1/creators?limit=1000${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
      );
      all.push(...page.data);
      cursor = page.next;
    }
    return all;
  }

  /** Waits until `condition` gives true. @throws Error that says `what` was waited for */
  async wait(what: string | (() => string), timeoutMs: number, condition: () => Promise<boolean>): Promise<void> {
    const { signal } = this.options;
    try {
      await waitFor(async () => signal.aborted || (await condition()), { timeoutMs, everyMs: 250, what: 'it' });
    } catch (error) {
      const { cause } = error as Error;
      const reason = cause instanceof Error ? `: ${cause.message}` : '';
      throw new Error(`waited ${timeoutMs / 1000} s in vain for ${typeof what === 'string' ? what : what()}${reason}`, { cause: error });
    }
    signal.throwIfAborted();
  }
}
