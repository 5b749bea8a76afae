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

/**
 * How much memory something uses, by how many inputs it had. The least of many samples counts: a heap grows until it is collected,
 * and a process keeps what it once had, so that neither a single sample nor resident memory tells what is held.
 */
export class MemoryTrend {
  private readonly samples: { inputs: number; bytes: number }[] = [];

  /** @param inputsMin inputs of a run that says anything: a young heap grows to its size first */
  constructor(private readonly inputsMin: number) {}

  add(inputs: number, bytes: number): void {
    this.samples.push({ inputs, bytes });
  }

  /**
   * MiB that it grew from the end of its warm-up to the end: the least of the last fifth above that of the fifth after the
   * warm-up. Undefined for too few samples to say.
   */
  get grownMiB(): number | undefined {
    const count = this.samples.length;
    if (count < SAMPLES_MIN || this.samples.at(-1)!.inputs < this.inputsMin) return undefined;
    const fifth = Math.max(2, Math.floor(count / 5));
    const start = Math.floor(count * WARM_UP);
    return (least(this.samples.slice(-fifth)) - least(this.samples.slice(start, start + fifth))) / MIB;
  }

  get mostMiB(): number {
    return Math.max(0, ...this.samples.map(({ bytes }) => bytes)) / MIB;
  }
}

function least(samples: readonly { bytes: number }[]): number {
  return Math.min(...samples.map(({ bytes }) => bytes));
}

/** Bytes of heap and buffers that a process of ours uses, as its metrics say. @throws Error when they do not */
export async function meteredBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = (name: string) => {
    const found = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1];
    if (found === undefined) throw new Error(`${url}/metrics has no ${name}`);
    return Number(found);
  };
  return value('nodejs_heap_size_used_bytes') + value('nodejs_external_memory_bytes');
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
