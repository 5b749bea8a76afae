import { type Logger, reasonOf } from '@tributary/runtime';
import type { EndpointRunner } from './runner.js';
import type { Move } from './reader.js';
import type { RunnerStore } from './runner-store.js';

export interface CutterOptions {
  store: Pick<RunnerStore, 'cut'>;
  /** A runner whose step the database did not make: what it knows is old. */
  lost(runner: EndpointRunner): void;
  logger: Logger;
}

/** Deliveries of one transaction; what is beyond goes into the next. */
const CUTS_MAX = 1_000;

/**
 * Moves the positions of all readers of a process: those that want to, together in one statement, and the next as soon
 * as it has answered. So many endpoints cost little more than one.
 */
export class Cutter {
  private readonly wanting = new Set<EndpointRunner>();
  private passes: EndpointRunner[] = [];
  private apart: (() => Promise<void>)[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly options: CutterOptions) {}

  /** Lets a runner cut in the next transaction. */
  want(runner: EndpointRunner): void {
    this.wanting.add(runner);
    this.start();
  }

  /** Lets the positions of these runners pass what did not match. */
  pass(runners: Iterable<EndpointRunner>): void {
    this.passes = [...runners];
    this.start();
  }

  /** Runs a statement that changes rows of many readers, when no step is under way: the two would lock them in different orders. */
  alone(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.apart.push(() => work().then(resolve, reject));
      this.start();
    });
  }

  /** Resolves when no step that was planned so far is under way. */
  async settled(): Promise<void> {
    await this.running;
  }

  private start(): void {
    // Not in this moment: others who were woken by the same batch come along.
    this.running ??= new Promise((resolve) => setImmediate(resolve))
      .then(() => this.run())
      .finally(() => {
        this.running = undefined;
        if (this.wanting.size > 0 || this.passes.length > 0 || this.apart.length > 0) this.start();
      });
  }

  private async run(): Promise<void> {
    for (const work of this.apart.splice(0)) await work();
    const steps = this.collect();
    if (steps.length === 0) return;
    let moved: Set<string>;
    try {
      moved = await this.options.store.cut(
        steps.map(({ runner, move }) => ({ move, endpointId: runner.id, version: runner.endpoint.version })),
      );
    } catch (error) {
      // Whether it was committed is not known.
      this.options.logger.warn({ reason: reasonOf(error) }, 'webhook positions could not be moved');
      for (const runner of new Set(steps.map((step) => step.runner))) this.options.lost(runner);
      return;
    }
    for (const { runner, move } of steps) {
      if (moved.has(move.reader.id)) runner.moved(move);
      else this.options.lost(runner);
    }
  }

  private collect(): { runner: EndpointRunner; move: Move }[] {
    const steps: { runner: EndpointRunner; move: Move }[] = [];
    let cuts = 0;
    for (const runner of this.wanting) {
      if (cuts >= CUTS_MAX) break;
      this.wanting.delete(runner);
      for (const move of runner.plan()) {
        steps.push({ runner, move });
        cuts += move.deliveries.length;
      }
    }
    for (const runner of this.passes) steps.push(...runner.planPasses().map((move) => ({ runner, move })));
    this.passes = [];
    return steps;
  }
}
