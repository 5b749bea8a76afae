import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { waitFor } from '@tributary/testing';

/** Kernel clock ticks per second, as `getconf CLK_TCK` says on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const STOP_MS_MAX = 10_000;

/** One Node process of a measurement, with what it costs. */
export class Measured {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  /** Starts a compiled program and waits until `health` answers 200. Its output goes to `logFile`. */
  static async start(entry: string, env: Record<string, string>, url: string, health: string, logFile: string): Promise<Measured> {
    const log = createWriteStream(logFile, { flags: 'a' });
    const child = spawn(process.execPath, [entry], { env: { PATH: process.env.PATH ?? '', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    await waitFor(
      async () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}; its log is ${logFile}`);
        return (await fetch(url + health, { signal: AbortSignal.timeout(2_000) })).ok;
      },
      { timeoutMs: 30_000, everyMs: 50, what: `${entry} to be ready` },
    );
    return new Measured(child, url);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** CPU seconds it has used, itself alone; 0 where the system does not say. */
  cpuSeconds(): number {
    return cpuSecondsOf(this.pid);
  }

  /** Bytes of memory it has resident; 0 where the system does not say. */
  residentBytes(): number {
    try {
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  /** Bytes of memory of all processes below it, pages that they share counted once (PSS); 0 where the system does not say. */
  bytesBelow(): number {
    return descendants(this.pid).reduce((sum, pid) => sum + pssBytes(pid), 0);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  }
}

/** CPU seconds that a process has used with all of its threads; 0 where the system does not say. */
export function cpuSecondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const parent = Number(
        readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')[1],
      );
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      continue; // It ended while we looked.
    }
  }
  const below = (of: number): number[] => (children.get(of) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

function pssBytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
