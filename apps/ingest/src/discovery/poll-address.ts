import { type RequestIdentity, type Block, CHECK_ALIVE_ROOMS_MAX, type CheckAliveResult } from '@tributary/webcast';
import type { Clock } from '../pacing/clock.js';
import { TurnQueue } from '../pacing/rate-limited-queue.js';

/** Requests under way at the same time through one address. */
const RUNNING_MAX = 16;
/** So many different creators refused with 403 in a row mean that the address is blocked, not they. */
const REFUSED_IN_A_ROW = 3;
/** Rest of a blocked address when it is told no time; doubled while it stays blocked. Blocks of 10 minutes to 5 hours were seen. */
const BLOCK_FIRST_MS = 60_000;
const BLOCK_MS_MAX = 1_800_000;
/** After a rest one request goes ahead; the others come back after this. */
const PROBE_MS = 5_000;

export interface EgressOptions {
  /** As it may be shown: `this address`, or the proxy without its password. */
  name: string;
  /** Requests in any second. */
  perSecondMax: number;
  clock: Clock;
  identity: RequestIdentity;
  checkAlive(roomIds: readonly string[], signal: AbortSignal, identity: RequestIdentity): Promise<CheckAliveResult>;
}

/** The address rests; nothing was asked. */
export interface Resting extends Block {
  kind: 'resting';
  retryAfterMs: number;
}

interface Asked {
  settle: (alive: boolean | undefined) => void;
  urgent: boolean;
}

/**
 * One address that TikTok sees: this machine's, or a proxy's. It has a pace of its own, and its own rest while TikTok
 * blocks it: a blocked one stops no other.
 */
export class Egress {
  readonly name: string;
  readonly queue: TurnQueue;
  /** ms since 1970. */
  usedAt: number;
  private readonly refused = new Set<string>();
  private readonly rooms = new Map<string, Asked[]>();
  private isGathering = false;
  private isProbing = false;
  /** Rests in a row: above 0 the address is on probation. */
  private blocks = 0;
  private blockedUntil = 0;
  private blockStatus = 403;

  constructor(private readonly options: EgressOptions) {
    const { name, perSecondMax, clock } = options;
    this.name = name;
    this.usedAt = clock.now();
    this.queue = new TurnQueue({ perWindowMax: perSecondMax, windowMs: 1_000, runningMax: RUNNING_MAX, clock });
  }

  /** ms since 1970 until when it rests; in the past when it does not. */
  get restsUntil(): number {
    return this.blockedUntil;
  }

  /** Whether it may be forgotten: nobody waits, and it owes TikTok no rest. */
  get isIdle(): boolean {
    return this.blocks === 0 && this.queue.waiting === 0 && this.rooms.size === 0;
  }

  /**
   * Waits for a turn and runs `ask`. Resting without asking while the address is blocked; undefined when `signal` aborts.
   * @param who what is asked for: several different ones refused make a block of the address
   * @param blockOf a refusal in the answer; `unknown` for an answer that says nothing either way
   */
  async ask<T>(
    who: string,
    urgent: boolean,
    signal: AbortSignal,
    ask: (identity: RequestIdentity) => Promise<T>,
    blockOf: (answer: T) => Block | 'unknown' | undefined,
  ): Promise<{ kind: 'answer'; answer: T } | Resting | undefined> {
    const { clock, identity } = this.options;
    this.usedAt = clock.now();
    const resting = this.rest();
    if (resting) return resting;
    const ticket = this.queue.enter(urgent, signal);
    if (!(await ticket.turn)) return undefined;
    let isProbe = false;
    try {
      const restingNow = this.rest();
      if (restingNow) return restingNow;
      isProbe = this.blocks > 0;
      if (isProbe) this.isProbing = true;
      const answer = await ask(identity);
      if (signal.aborted) return undefined;
      this.learn(who, blockOf(answer));
      return { kind: 'answer', answer };
    } finally {
      if (isProbe) this.isProbing = false;
      ticket.done();
    }
  }

  /** Whether a room is on air, asked together with the rooms of others; undefined when TikTok does not say or `signal` aborts. */
  isAlive(roomId: string, urgent: boolean, signal: AbortSignal): Promise<boolean | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = (alive: boolean | undefined) => {
        signal.removeEventListener('abort', leave);
        resolve(alive);
      };
      const asked: Asked = { settle, urgent };
      const leave = () => {
        const others = this.rooms.get(roomId)?.filter((other) => other !== asked) ?? [];
        if (others.length > 0) this.rooms.set(roomId, others);
        else this.rooms.delete(roomId);
        settle(undefined);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.rooms.set(roomId, [...(this.rooms.get(roomId) ?? []), asked]);
      if (!this.isGathering) void this.gather();
    });
  }

  private async gather(): Promise<void> {
    this.isGathering = true;
    const never = new AbortController().signal;
    try {
      // Whoever asks while a batch waits for its turn, or for its answer, is in this one or the next.
      while (this.rooms.size > 0) await this.checkBatch(never);
    } finally {
      this.isGathering = false;
      // Nobody waits for ever for an answer that a bug has kept away.
      for (const asked of this.rooms.values()) for (const { settle } of asked) settle(undefined);
      this.rooms.clear();
    }
  }

  private async checkBatch(signal: AbortSignal): Promise<void> {
    const urgent = [...this.rooms.values()].some((asked) => asked.some((one) => one.urgent));
    let batch = new Map<string, Asked[]>();
    const check = (identity: RequestIdentity) => {
      batch = this.takeRooms();
      return batch.size === 0
        ? Promise.resolve<CheckAliveResult>({ kind: 'ok', alive: new Map() })
        : this.options.checkAlive([...batch.keys()], signal, identity);
    };
    const outcome = await this.ask('rooms', urgent, signal, check, (answer) =>
      answer.kind === 'blocked' ? answer : answer.kind === 'failed' || batch.size === 0 ? 'unknown' : undefined,
    );
    const answer = outcome?.kind === 'answer' ? outcome.answer : undefined;
    if (!answer) batch = this.takeRooms();
    for (const [roomId, asked] of batch) {
      const alive = answer?.kind === 'ok' ? answer.alive.get(roomId) : undefined;
      for (const { settle } of asked) settle(alive);
    }
  }

  /** As many rooms as one request may name, urgent ones first. */
  private takeRooms(): Map<string, Asked[]> {
    const isUrgent = ([, asked]: [string, Asked[]]) => Number(asked.some(({ urgent }) => urgent));
    const taken = [...this.rooms].sort((a, b) => isUrgent(b) - isUrgent(a)).slice(0, CHECK_ALIVE_ROOMS_MAX);
    for (const [roomId] of taken) this.rooms.delete(roomId);
    return new Map(taken);
  }

  private rest(): Resting | undefined {
    const leftMs = this.blockedUntil - this.options.clock.now();
    const retryAfterMs = leftMs > 0 ? leftMs : this.isProbing ? PROBE_MS : 0;
    return retryAfterMs > 0 ? { kind: 'resting', status: this.blockStatus, retryAfterMs } : undefined;
  }

  private learn(who: string, block: Block | 'unknown' | undefined): void {
    if (block === 'unknown') return;
    if (!block) {
      this.refused.clear();
      this.blocks = 0;
      return;
    }
    this.refused.add(who);
    // 429 speaks of the address itself, and one on probation has used its trust up.
    if (block.status !== 429 && this.blocks === 0 && this.refused.size < REFUSED_IN_A_ROW) return;
    this.refused.clear();
    const restMs = block.retryAfterMs ?? Math.min(BLOCK_MS_MAX, BLOCK_FIRST_MS * 2 ** this.blocks);
    this.blocks = Math.min(this.blocks + 1, 20);
    this.blockStatus = block.status;
    this.blockedUntil = Math.max(this.blockedUntil, this.options.clock.now() + restMs);
  }
}
