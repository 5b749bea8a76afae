import type { Pool } from 'pg';
import type { Injection, Measure } from './kinds.js';
import type { MonitoredSystem } from '../parts/monitored-system.js';

/** How long creators were without a connection, over all injections of a fault; ms. */
export interface Absences {
  count: number;
  p50Ms: number;
  maxMs: number;
  /** Creators that were never connected to again. */
  never: number;
}

interface ConnectionTimes {
  openedAt: number;
  closedAt?: number;
}

/** Measures every injection as `measure` says. */
export async function absences(system: MonitoredSystem, pool: Pool, injections: readonly Injection[], measure: Measure): Promise<Absences> {
  const samples: number[] = [];
  let never = 0;
  const add = (ms: number | undefined) => {
    if (ms === undefined) never += 1;
    else samples.push(Math.max(0, ms));
  };
  const sockets = measure === 'stop' ? await socketsOf(system) : undefined;
  for (const { at, concerned } of injections) {
    if (sockets) {
      for (const handle of concerned) add(betweenSockets(sockets.get(handle) ?? [], at));
    } else {
      const opened = await nextOpenings(pool, concerned, at);
      for (const handle of concerned) add(opened.has(handle) ? opened.get(handle)! - at : undefined);
    }
  }
  samples.sort((a, b) => a - b);
  return { count: samples.length, p50Ms: Math.round(samples[samples.length >> 1] ?? 0), maxMs: Math.round(samples.at(-1) ?? 0), never };
}

/** ms since 1970 of each creator's first stored connection after `at`. */
async function nextOpenings(pool: Pool, handles: readonly string[], at: number): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ handle: string; at: number }>(
    `select handle, min(extract(epoch from time))::float8 * 1000 as at from events
      where type = 'monitor.connected' and handle = any($1) and time > to_timestamp($2::float8 / 1000) group by handle`,
    [handles, at],
  );
  return new Map(rows.map((row) => [row.handle, row.at]));
}

async function socketsOf(system: MonitoredSystem): Promise<Map<string, ConnectionTimes[]>> {
  const all = new Map<string, ConnectionTimes[]>();
  for (const handle of system.handles) {
    const { open, past } = await system.sim<{ open: ConnectionTimes[]; past: ConnectionTimes[] }>('GET', `/rooms/${handle}/connections`);
    all.set(handle, [...past, ...open]);
  }
  return all;
}

/** From the close of the socket that was open at `at` to the moment another one was open; undefined when none ever was. */
function betweenSockets(sockets: readonly ConnectionTimes[], at: number): number | undefined {
  const old = sockets.find(({ openedAt, closedAt }) => openedAt <= at && (closedAt ?? Infinity) > at);
  const closedAt = old?.closedAt ?? at;
  const next = sockets.filter((socket) => socket !== old && (socket.closedAt ?? Infinity) > closedAt).map(({ openedAt }) => openedAt);
  return next.length === 0 ? undefined : Math.min(...next) - closedAt;
}
