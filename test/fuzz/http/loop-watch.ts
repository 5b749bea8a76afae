import { cpuMs } from '../engine/memory.js';
import { WireClient } from './wire-client.js';

/** A moment in which a process answered nobody. */
export interface Stall {
  /** How long, in ms. */
  ms: number;
  /** CPU time that the process took in it, in ms; undefined where the system does not tell. */
  cpuMs: number | undefined;
}

const EVERY_MS = 50;
const MS_MAX = 30_000;

/** Asks a process for its health all the time, and measures how long its event loop lets that wait. */
export class LoopWatch {
  worstMs = 0;
  readonly stalls: Stall[] = [];
  private readonly client: WireClient;
  private readonly request: Buffer;
  private stopped = false;
  private running: Promise<void> | undefined;

  /** @param stallMs answers that take longer count as stalls */
  constructor(
    url: string,
    private readonly pid: () => number,
    private readonly stallMs: number,
  ) {
    const { hostname, port, host } = new URL(url);
    this.client = new WireClient(hostname, Number(port));
    this.request = Buffer.from(`GET /healthz HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
    this.client.close();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const before = cpuMs(this.pid());
      const outcome = await this.client.send(this.request, { method: 'GET', msMax: MS_MAX, reuse: true });
      const after = cpuMs(this.pid());
      this.worstMs = Math.max(this.worstMs, outcome.ms);
      if (outcome.ms > this.stallMs || outcome.kind !== 'answer')
        this.stalls.push({ ms: Math.round(outcome.ms), cpuMs: before === undefined || after === undefined ? undefined : after - before });
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
}
