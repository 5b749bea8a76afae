import { type Block, CHECK_ALIVE_ROOMS_MAX, type CheckAliveResult, type RequestIdentity } from '@tributary/webcast';
import type { Clock } from '../pacing/clock.js';
import { RateLimitedQueue } from '../pacing/rate-limited-queue.js';

/** Requests under way at the same time through one address. */
const RUNNING_MAX = 16;
/** So many different creators in a row refused with 403 mean that TikTok blocks the address, not the creators. */
const REFUSED_IN_A_ROW = 3;
/** Cooldown when TikTok names no time; doubled while the block goes on. Blocks of 10 minutes to 5 hours were seen. */
const COOLDOWN_FIRST_MS = 60_000;
const COOLDOWN_MS_MAX = 1_800_000;
/** After a cooldown one request is a probe; the others are answered as blocked for this long. */
const PROBE_MS = 5_000;

export interface PollAddressOptions {
  /** For messages: `this address`, or the proxy without its password. */
  name: string;
  /** Requests in any second. */
  perSecondMax: number;
  clock: Clock;
  identity: RequestIdentity;
  checkAlive(roomIds: readonly string[], signal: AbortSignal, identity: RequestIdentity): Promise<CheckAliveResult>;
}

/** The address is in cooldown; no request was sent. */
export interface InCooldown extends Block {
  kind: 'cooldown';
  retryAfterMs: number;
}

/** One caller of {@link PollAddress.isAlive}. */
interface AliveQuestion {
  settle: (alive: boolean | undefined) => void;
  urgent: boolean;
}

/**
 * One IP address that TikTok sees: this machine's, or a proxy's. Each has its own request rate, and its own cooldown while
 * TikTok blocks it: a blocked address stops no other.
 */
export class PollAddress {
  readonly name: string;
  readonly queue: RateLimitedQueue;
  /** ms since 1970. */
  usedAt: number;
  /** Creators refused since the last answer that was no refusal. */
  private readonly refused = new Set<string>();
  private readonly questions = new Map<string, AliveQuestion[]>();
  private isBatching = false;
  private isProbing = false;
  /** Cooldowns in a row. Above 0 one more refusal of any kind starts the next. */
  private cooldowns = 0;
  private blockedUntil = 0;
  private blockStatus = 403;

  constructor(private readonly options: PollAddressOptions) {
    const { name, perSecondMax, clock } = options;
    this.name = name;
    this.usedAt = clock.now();
    this.queue = new RateLimitedQueue({ perWindowMax: perSecondMax, windowMs: 1_000, runningMax: RUNNING_MAX, clock });
  }

  /** ms since 1970 when its cooldown ends; in the past when there is none. */
  get cooldownUntil(): number {
    return this.blockedUntil;
  }

  /** Whether it may be removed: no request waits, and no cooldown would be lost with it. */
  get isIdle(): boolean {
    return this.cooldowns === 0 && this.queue.waiting === 0 && this.questions.size === 0;
  }

  /**
   * Waits in the queue, then runs `request`. Resolves with `cooldown` and sends nothing while the address is blocked;
   * undefined when `signal` aborts.
   * @param subject what is asked about: refusals of several different subjects count as a block of the address
   * @param blockOf the refusal in an answer; `unknown` for an answer that shows nothing either way
   */
  async send<T>(
    subject: string,
    urgent: boolean,
    signal: AbortSignal,
    request: (identity: RequestIdentity) => Promise<T>,
    blockOf: (answer: T) => Block | 'unknown' | undefined,
  ): Promise<{ kind: 'answer'; answer: T } | InCooldown | undefined> {
    const { clock, identity } = this.options;
    this.usedAt = clock.now();
    const before = this.cooldown();
    if (before) return before;
    const ticket = this.queue.enqueue(urgent, signal);
    if (!(await ticket.started)) return undefined;
    let isProbe = false;
    try {
      const since = this.cooldown();
      if (since) return since;
      isProbe = this.cooldowns > 0;
      if (isProbe) this.isProbing = true;
      const answer = await request(identity);
      if (signal.aborted) return undefined;
      this.noteAnswer(subject, blockOf(answer));
      return { kind: 'answer', answer };
    } finally {
      if (isProbe) this.isProbing = false;
      ticket.release();
    }
  }

  /** Whether a room is on air, in one request with the rooms of others; undefined when TikTok names no state or `signal` aborts. */
  isAlive(roomId: string, urgent: boolean, signal: AbortSignal): Promise<boolean | undefined> {
    if (signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = (alive: boolean | undefined) => {
        signal.removeEventListener('abort', leave);
        resolve(alive);
      };
      const question: AliveQuestion = { settle, urgent };
      const leave = () => {
        const others = this.questions.get(roomId)?.filter((other) => other !== question) ?? [];
        if (others.length > 0) this.questions.set(roomId, others);
        else this.questions.delete(roomId);
        settle(undefined);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.questions.set(roomId, [...(this.questions.get(roomId) ?? []), question]);
      if (!this.isBatching) void this.sendBatches();
    });
  }

  private async sendBatches(): Promise<void> {
    this.isBatching = true;
    const never = new AbortController().signal;
    try {
      // A question that comes while a batch waits in the queue joins it; one that comes later joins the next.
      while (this.questions.size > 0) await this.sendBatch(never);
    } finally {
      this.isBatching = false;
      // After a bug in here nobody waits for ever.
      for (const questions of this.questions.values()) for (const { settle } of questions) settle(undefined);
      this.questions.clear();
    }
  }

  private async sendBatch(signal: AbortSignal): Promise<void> {
    const urgent = [...this.questions.values()].some((questions) => questions.some((one) => one.urgent));
    let batch = new Map<string, AliveQuestion[]>();
    const check = (identity: RequestIdentity) => {
      batch = this.takeBatch();
      return batch.size === 0
        ? Promise.resolve<CheckAliveResult>({ kind: 'ok', alive: new Map() })
        : this.options.checkAlive([...batch.keys()], signal, identity);
    };
    const outcome = await this.send('rooms', urgent, signal, check, (answer) =>
      answer.kind === 'blocked' ? answer : answer.kind === 'failed' || batch.size === 0 ? 'unknown' : undefined,
    );
    const answer = outcome?.kind === 'answer' ? outcome.answer : undefined;
    if (!answer) batch = this.takeBatch();
    for (const [roomId, questions] of batch) {
      const alive = answer?.kind === 'ok' ? answer.alive.get(roomId) : undefined;
      for (const { settle } of questions) settle(alive);
    }
  }

  /** As many rooms as one request may name, urgent ones first. */
  private takeBatch(): Map<string, AliveQuestion[]> {
    const urgency = ([, questions]: [string, AliveQuestion[]]) => Number(questions.some(({ urgent }) => urgent));
    const batch = [...this.questions].sort((a, b) => urgency(b) - urgency(a)).slice(0, CHECK_ALIVE_ROOMS_MAX);
    for (const [roomId] of batch) this.questions.delete(roomId);
    return new Map(batch);
  }

  private cooldown(): InCooldown | undefined {
    const leftMs = this.blockedUntil - this.options.clock.now();
    const retryAfterMs = leftMs > 0 ? leftMs : this.isProbing ? PROBE_MS : 0;
    return retryAfterMs > 0 ? { kind: 'cooldown', status: this.blockStatus, retryAfterMs } : undefined;
  }

  private noteAnswer(subject: string, block: Block | 'unknown' | undefined): void {
    if (block === 'unknown') return;
    if (!block) {
      this.refused.clear();
      this.cooldowns = 0;
      return;
    }
    this.refused.add(subject);
    // 429 is always about the address. After a cooldown a single refusal is enough.
    if (block.status !== 429 && this.cooldowns === 0 && this.refused.size < REFUSED_IN_A_ROW) return;
    this.refused.clear();
    const cooldownMs = block.retryAfterMs ?? Math.min(COOLDOWN_MS_MAX, COOLDOWN_FIRST_MS * 2 ** this.cooldowns);
    this.cooldowns = Math.min(this.cooldowns + 1, 20);
    this.blockStatus = block.status;
    this.blockedUntil = Math.max(this.blockedUntil, this.options.clock.now() + cooldownMs);
  }
}
