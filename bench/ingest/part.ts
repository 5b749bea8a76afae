import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '@tributary/runtime';
import { cpuSecondsOf } from '../signer/process.js';

const STOP_MS_MAX = 5_000;

interface Reply {
  n: number;
  value?: unknown;
  error?: string;
}

/** A program of this folder as a process of its own that answers questions. It ends with this process at the latest. */
export class Part<Answers> {
  private asked = 0;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    child.on('message', ({ n, value, error }: Reply) => {
      const question = this.waiting.get(n);
      this.waiting.delete(n);
      if (error === undefined) question?.resolve(value as never);
      else question?.reject(new Error(`${name}: ${error}`));
    });
    child.once('exit', (code, signal) => {
      for (const { reject } of this.waiting.values()) reject(new Error(`${name} ended with ${code ?? signal}`));
      this.waiting.clear();
    });
  }

  /** Starts it with `setup`, which it finds by {@link setupOf}, and waits until it answers. */
  static async start<Answers>(name: string, setup: object, env: Record<string, string> = {}): Promise<Part<Answers>> {
    const child = fork(fileURLToPath(new URL(`./${name}.js`, import.meta.url)), [JSON.stringify(setup)], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const part = new Part<Answers & { ready: true }>(name, child);
    await part.ask('ready');
    return part;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** CPU seconds it has used, with all of its threads. */
  cpuSeconds(): number {
    return cpuSecondsOf(this.pid);
  }

  /** Sends one request and returns its answer. @throws Error when it fails or ends */
  ask<K extends keyof Answers & string>(what: K, input?: unknown): Promise<Answers[K]> {
    const n = ++this.asked;
    return new Promise((resolve, reject) => {
      if (!this.child.connected) {
        reject(new Error(`${this.name} has ended`));
        return;
      }
      this.waiting.set(n, { resolve, reject });
      this.child.send({ n, what, input });
    });
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.connected) this.child.disconnect();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  }
}

/** In a part: what it was started with. */
export function setupOf<T>(): T {
  return JSON.parse(process.argv[2] ?? '{}') as T;
}

/** In a part: answers questions until the process that started it is done with it. Call it when everything runs. */
export function answer(answers: Record<string, (input: never) => unknown>): void {
  const reply = (message: Reply) => process.connected && process.send?.(message);
  process.on('message', ({ n, what, input }: { n: number; what: string; input: unknown }) => {
    const run = new Promise((resolve) => resolve(what === 'ready' ? true : answers[what]?.(input as never)));
    run.then(
      (value) => reply({ n, value }),
      (error: unknown) => reply({ n, error: reasonOf(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
  // A terminal's Ctrl-C reaches every process; this one ends when the one that started it does.
  process.on('SIGINT', () => undefined);
}
