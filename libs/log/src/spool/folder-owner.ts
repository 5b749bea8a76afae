import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** The process that writes a spool. Texts are empty where the system does not provide them. */
export interface OwnerMark {
  host: string;
  pid: number;
  /** Start time of the process, in ticks since the machine's start. */
  startedAt: string;
  /** Id of the machine's start. */
  boot: string;
  /** Namespace of the process id: each container has its own, in which most are process 1. */
  pidSpace: string;
}

/**
 * An owner in another container counts as ended when its mark has not changed for this long, in ms; a living one changes it each second.
 * Shorter than the shortest usual lease, so that its events are replayed before its creators are taken over.
 */
export const OWNER_SILENCE_MS = 5_000;

/**
 * Measures how long marks of owners have not changed, by this process' own clock. The time in a mark comes from another machine: it is
 * compared only with the earlier text of the same mark.
 */
export class OwnerWatch {
  private readonly seen = new Map<string, { beat: string; at: number; silentMs: number }>();

  /** `lookMs`: longest time between two looks that counts, since a process that was itself stopped has seen nothing. */
  constructor(private readonly lookMs: number) {}

  /** Notes what the mark of a folder is at `now` (monotonic, ms); returns for how long it is known to be the same. */
  look(folder: string, beat: string, now = performance.now()): number {
    const before = this.seen.get(folder);
    const isSame = before?.beat === beat;
    const silentMs = isSame ? before.silentMs + Math.min(now - before.at, this.lookMs) : 0;
    this.seen.set(folder, { beat, at: now, silentMs });
    return silentMs;
  }

  /** Forgets all folders but these. */
  keep(folders: readonly string[]): void {
    const kept = new Set(folders);
    for (const folder of this.seen.keys()) if (!kept.has(folder)) this.seen.delete(folder);
  }
}

/** This process. */
export function thisProcess(): OwnerMark {
  return {
    host: hostname(),
    pid: process.pid,
    startedAt: startOf(process.pid) ?? '',
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    pidSpace: attempt(() => readlinkSync('/proc/self/ns/pid')) ?? '',
  };
}

/**
 * Whether the owner of a mark has ended. In the same process namespace its id and start time decide. Elsewhere (another machine,
 * another container) the time without a change of its mark decides. That may be wrong for a process that was only stopped, so
 * nothing is replayed before the run is fenced in Redis.
 */
export function isGone(owner: OwnerMark, self: OwnerMark, silentMs: number): boolean {
  const isSilent = silentMs > OWNER_SILENCE_MS;
  if (owner.host !== self.host || owner.boot !== self.boot || owner.pidSpace !== self.pidSpace) return isSilent;
  if (owner.pid === self.pid) return owner.startedAt !== self.startedAt;
  const startedAt = startOf(owner.pid);
  if (startedAt !== undefined && owner.startedAt !== '') return startedAt !== owner.startedAt;
  return !exists(owner.pid) || isSilent;
}

/** Start time of a process, `ended` for a zombie; undefined when there is no such process, or the system does not tell. */
function startOf(pid: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  // The name before the last bracket may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? 'ended' : fields?.[19];
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
