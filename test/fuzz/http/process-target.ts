import type { StackProcess } from '@tributary/testing';
import type { Fault, FuzzTarget } from '../engine/campaign.js';
import type { Draw } from '../engine/draw.js';
import { meteredBytes, MemoryTrend, residentBytes } from '../engine/memory.js';
import { LoopWatch } from './loop-watch.js';
import { brokenRequest, bytesOf, type HttpRequest, shownRequest, smallerRequests } from './request.js';
import { WireClient, type WireAnswer } from './wire-client.js';

/** No answer, and no other request beside it, may wait longer. */
const ANSWER_MS_MAX = 1_000;
/** How long one is waited for: a slow one is told from one that never comes. */
const WAIT_MS_MAX = 40_000;
/** A broken request may be one that the server still waits for the rest of. */
const BROKEN_WAIT_MS = 200;
const BROKEN_SHARE = 0.06;
const LARGE_BODY_BYTES = 65_536;
/** What a process may hold more after its warm-up, whatever the length of the run: caches with bounds go on to fill. */
const GROWTH_MIB_MAX = 48;
/** What it may take of the machine at any time: the heap is let grow before it is collected. */
const RESIDENT_MIB_MAX = 1_024;
const MIB = 2 ** 20;

/** What tells sound requests and their answers of one process. */
export interface Protocol {
  /** Every route, such as `GET /v1/creators`. */
  readonly routes: readonly string[];
  /** A request with sound framing. */
  make(draw: Draw): HttpRequest;
  /** What is wrong with an answer. `isBroken`: its request was not sound HTTP. */
  judge(answer: WireAnswer, request: HttpRequest, isBroken: boolean): Fault | undefined;
  /** Whether an answer may take long because somebody else is waited for. */
  waits(request: HttpRequest): boolean;
  /** Looks after what requests need, and after what they must not have harmed. */
  rest(done: number): Promise<Fault | undefined>;
}

/** A real process under requests, its event loop, memory and life watched. */
export class ProcessTarget implements FuzzTarget<HttpRequest> {
  /** Answers by status; `closed` and `silent` for broken requests without one. */
  readonly outcomes = new Map<string, number>();
  readonly watch: LoopWatch;
  /** Routes that were asked, and whether any of it was done. */
  private readonly routes = new Map<string, boolean>();
  private readonly memory = new MemoryTrend(50_000);
  private readonly client: WireClient;
  private readonly pid: number;
  private slowestMs = 0;
  private residentMost = 0;

  constructor(
    readonly name: string,
    private readonly process: StackProcess,
    private readonly url: string,
    private readonly protocol: Protocol,
  ) {
    const { hostname, port } = new URL(url);
    this.client = new WireClient(hostname, Number(port));
    this.pid = process.pid;
    this.watch = new LoopWatch(url, () => process.pid, ANSWER_MS_MAX);
    this.watch.start();
  }

  make(draw: Draw): HttpRequest {
    const sound = this.protocol.make(draw);
    return draw.chance(BROKEN_SHARE) ? brokenRequest(sound, draw) : sound;
  }

  async feed(request: HttpRequest): Promise<Fault | undefined> {
    const isBroken = request.raw !== undefined;
    const first = await this.send(request, isBroken);
    this.count(first.kind === 'answer' ? String(first.status) : first.kind);
    if (first.kind !== 'answer') {
      // A server closes what it refuses to read further, and may do so before its answer was read.
      if (isBroken || (first.kind === 'closed' && (request.body?.length ?? 0) > LARGE_BODY_BYTES)) return undefined;
      return { kind: `${request.route}: no answer (${first.kind})`, detail: JSON.stringify(first.got) };
    }
    const { route } = request;
    this.routes.set(route, (this.routes.get(route) ?? false) || (!isBroken && first.status < 400));
    this.slowestMs = Math.max(this.slowestMs, this.protocol.waits(request) ? 0 : first.ms);
    if (first.ms > ANSWER_MS_MAX && !this.protocol.waits(request) && (await this.isSlow(request, isBroken)))
      return { kind: `${request.route}: it is slow`, detail: `its answer took ${Math.round(first.ms)} ms, and as long again alone` };
    return this.protocol.judge(first, request, isBroken);
  }

  smaller(request: HttpRequest): Iterable<HttpRequest> {
    return smallerRequests(request);
  }

  show(request: HttpRequest): string {
    return shownRequest(request);
  }

  async rest(done: number): Promise<Fault | undefined> {
    if (this.process.pid !== this.pid) return { kind: 'the process has ended', detail: `it was ${this.pid}` };
    const bytes = await residentBytes(this.pid);
    if (bytes === 0) return { kind: 'the process has ended', detail: `process ${this.pid} is gone` };
    this.residentMost = Math.max(this.residentMost, bytes);
    this.memory.add(done, await meteredBytes(this.url));
    return this.protocol.rest(done);
  }

  async close(): Promise<void> {
    this.client.close();
    await this.watch.stop();
  }

  /** What was measured, and which bars were not met. */
  measures(): { rows: Record<string, string | number>; failures: string[] } {
    const { worstMs, stalls } = this.watch;
    const { grownMiB } = this.memory;
    const residentMiB = Math.round(this.residentMost / MIB);
    const answers = [...this.outcomes].toSorted(([a], [b]) => a.localeCompare(b));
    const total = answers.reduce((sum, [, count]) => sum + count, 0);
    const good = answers.reduce((sum, [status, count]) => sum + (status.startsWith('2') ? count : 0), 0);
    // While others have the processor, a wait says nothing of the process.
    const busy = stalls.filter(({ ms, cpuMs }) => cpuMs === undefined || cpuMs > ms / 2);
    return {
      rows: {
        answers: answers.map(([status, count]) => `${status}: ${count}`).join(', '),
        'routes that did nothing': this.idleRoutes().join(', '),
        'slowest answer ms': Math.round(this.slowestMs),
        'longest wait of /healthz ms': Math.round(worstMs),
        'most MiB resident': residentMiB,
        'MiB held more after warm-up': grownMiB === undefined ? 'too short a run' : Math.round(grownMiB),
      },
      failures: [
        ...(busy.length > 0 ? [`the event loop stood still for ${busy.map(({ ms }) => ms).join(', ')} ms`] : []),
        ...(grownMiB !== undefined && grownMiB > GROWTH_MIB_MAX
          ? [`the process holds ${Math.round(grownMiB)} MiB more than after its warm-up`]
          : []),
        ...(residentMiB > RESIDENT_MIB_MAX ? [`the process took ${residentMiB} MiB`] : []),
        // A run that is refused everywhere has tested nothing.
        ...(total >= 500 && good < total / 10 ? [`only ${good} of ${total} requests did anything`] : []),
      ],
    };
  }

  /** Those that the process has, and that took no request: what lies behind them was not tested. */
  private idleRoutes(): string[] {
    return this.protocol.routes.filter((route) => !this.routes.get(route));
  }

  private send(request: HttpRequest, isBroken: boolean) {
    return this.client.send(bytesOf(request), {
      method: request.method,
      msMax: isBroken ? BROKEN_WAIT_MS : WAIT_MS_MAX,
      reuse: !isBroken,
    });
  }

  private async isSlow(request: HttpRequest, isBroken: boolean): Promise<boolean> {
    for (let tries = 0; tries < 2; tries++) if ((await this.send(request, isBroken)).ms <= ANSWER_MS_MAX) return false;
    return true;
  }

  private count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}
