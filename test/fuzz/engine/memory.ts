import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const run = promisify(execFile);
const MIB = 2 ** 20;
/** The share of a run in which caches fill and code is compiled. */
const WARM_UP = 0.3;
const SAMPLES_MIN = 8;

/** How much memory something took, by how many inputs it had had. Times play no part: a machine may be busy. */
export class MemoryTrend {
  private readonly samples: { inputs: number; bytes: number }[] = [];

  /** @param inputsMin inputs of a run that says anything: a young heap grows to its size first */
  constructor(private readonly inputsMin: number) {}

  add(inputs: number, bytes: number): void {
    this.samples.push({ inputs, bytes });
  }

  /**
   * MiB that it grew from the end of its warm-up to the end: the median of the last fifth above that of the fifth after the
   * warm-up. Undefined for too few samples to say.
   */
  get grownMiB(): number | undefined {
    const count = this.samples.length;
    if (count < SAMPLES_MIN || this.samples.at(-1)!.inputs < this.inputsMin) return undefined;
    const fifth = Math.max(2, Math.floor(count / 5));
    const start = Math.floor(count * WARM_UP);
    const early = median(this.samples.slice(start, start + fifth).map(({ bytes }) => bytes));
    return (median(this.samples.slice(-fifth).map(({ bytes }) => bytes)) - early) / MIB;
  }

  get mostMiB(): number {
    return Math.max(0, ...this.samples.map(({ bytes }) => bytes)) / MIB;
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Resident bytes of a process; 0 when it is gone. */
export async function residentBytes(pid: number): Promise<number> {
  try {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kib ?? 0) * 1_024;
  } catch {
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]).catch(() => ({ stdout: '0' }));
    return Number(stdout.trim()) * 1_024;
  }
}

/** CPU time that a process has taken, in ms; undefined where the system does not tell. */
export function cpuMs(pid: number): number | undefined {
  try {
    // After the name, which may hold anything: the fields 14 and 15 are user and system time in ticks of 10 ms.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return undefined;
  }
}

let collect: (() => void) | undefined;

/** Bytes that this process uses after everything unused was collected: heap and buffers. */
export function usedBytes(): number {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
