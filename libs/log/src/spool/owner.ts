import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Which process writes a spool. Texts are empty where the system does not tell them. */
export interface OwnerMark {
  host: string;
  pid: number;
  /** In ticks since the machine's start. */
  startedAt: string;
  /** Id of the machine's start. */
  boot: string;
  /** Namespace of the process id: each container has its own, in which most are process 1. */
  pidSpace: string;
}

/**
 * An owner that cannot be looked at is gone when its mark was not touched for this long, in ms; a living one touches it each second.
 * Below the shortest usual lease, so that its events still come before its creators are taken over.
 */
export const OWNER_SILENCE_MS = 5_000;

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
 * Whether the process behind a mark has ended. Where its process id means the same to both, the id and the start time
 * decide; elsewhere (another machine, another container) the time since the mark was touched does.
 */
export function isGone(owner: OwnerMark, self: OwnerMark, silentMs: number): boolean {
  const isSilent = silentMs > OWNER_SILENCE_MS;
  if (owner.host !== self.host || owner.boot !== self.boot || owner.pidSpace !== self.pidSpace) return isSilent;
  if (owner.pid === self.pid) return owner.startedAt !== self.startedAt;
  const startedAt = startOf(owner.pid);
  if (startedAt !== undefined && owner.startedAt !== '') return startedAt !== owner.startedAt;
  return !exists(owner.pid) || isSilent;
}

/** Start time of a process; undefined when there is none, only its remains, or no way to tell. */
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
