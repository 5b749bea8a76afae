import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random, type Stack, startStack } from '@tributary/testing';
import pg from 'pg';
import { reasonOf } from '@tributary/runtime';
import { account, type Accounting, settled } from '../parts/accounting.js';
import { type Absences, absences } from './absence.js';
import { type Fault, type Injection, WORKERS } from './kinds.js';
import type { IngestRunOptions } from './options.js';
import { MonitoredSystem, SILENCE_MS } from '../parts/monitored-system.js';
import { StreamWatch } from './stream-watch.js';

/** Result of one fault. */
export interface Result {
  fault: string;
  title: string;
  injections: number;
  seconds: number;
  accounting?: Accounting;
  absences?: Absences;
  stream?: { entries: number; duplicates: number };
  failures: string[];
  /** Logs of the processes, kept when a bar was not met. */
  logs?: string;
}

export interface FaultRun {
  fault: Fault;
  options: IngestRunOptions;
  say: (text: string) => void;
  /** Ends the run; everything that was started is stopped. */
  signal: AbortSignal;
}

/** Longest time of an event from its socket to the store when everything works. */
const SETTLED_MS = 5_000;
const SETTLED_MS_MAX = 60_000;
/** Every injection comes at a random moment, this long after everything was received again. */
const CALM_MS = [2_000, 6_000] as const;
/** Largest part of the sent messages that may lie in gaps; with more the run would prove nothing. */
const EXCUSED_MAX = 0.5;

/** Runs one fault on its own stack and checks its bars. Never throws: an error becomes a failure of the result. */
export async function runFault({ fault, options, say, signal }: FaultRun): Promise<Result> {
  const result: Result = { fault: fault.name, title: fault.title, injections: 0, seconds: 0, failures: [] };
  const logDir = mkdtempSync(join(tmpdir(), `tributary-faults-${fault.name}-`));
  const startedAt = Date.now();
  let stack: Stack | undefined;
  let pool: pg.Pool | undefined;
  let watch: StreamWatch | undefined;
  try {
    stack = await startStack({
      workers: WORKERS,
      network: fault.network,
      logDir,
      env: { API_ROLES: 'http,store', API_RATE_PER_MINUTE: '1000000', SILENCE_MS: String(fault.silenceMs ?? SILENCE_MS) },
    });
    signal.throwIfAborted();
    pool = new pg.Pool({ connectionString: stack.postgres.url, max: 2 });
    // A connection that dies with PostgreSQL is replaced by the next query.
    pool.on('error', () => undefined);
    watch = new StreamWatch(stack.redis.url);
    const seed = options.seed + fault.name.length * 7_919 + fault.name.charCodeAt(0);
    const system = new MonitoredSystem({ stack, creators: options.creators, rate: options.rate, random: random(seed), signal });
    await system.populate();
    const from = Date.now();
    say(`${fault.name}: ${options.creators} creators are live`);
    await system.sleep(fault.warmUpMs ?? 0);
    const injections = await inject({ fault, options, say, signal }, system, result);
    say(`${fault.name}: counting`);
    // The effects of the last injection must be over, since gaps that are published after the end of the traffic do not count.
    await system.sleep(SILENCE_MS);
    await system.allReceived();
    await system.hush();
    const window = { from, to: Date.now() };
    await settled(pool, SETTLED_MS, SETTLED_MS_MAX);
    result.accounting = await account(stack.urls.simulator, pool, system.handles, { window });
    if (fault.measure) result.absences = await absences(system, pool, injections, fault.measure);
    result.stream = { entries: watch.entries, duplicates: watch.duplicates };
    result.failures.push(...judge(fault, result, options));
  } catch (error) {
    result.failures.push(signal.aborted ? 'the run was ended' : `the run failed: ${reasonOf(error)}`);
  } finally {
    await watch?.stop();
    await pool?.end();
    await stack?.stop();
  }
  if (result.failures.length === 0 || signal.aborted) rmSync(logDir, { recursive: true, force: true });
  else result.logs = logDir;
  result.seconds = Math.round((Date.now() - startedAt) / 1_000);
  say(`${fault.name}: done in ${result.seconds} s, ${result.failures.length === 0 ? 'every bar was met' : result.failures.join('; ')}`);
  return result;
}

/** Injects the wanted number of times, or until time is up. It stops when the system does not recover. */
async function inject({ fault, options, say, signal }: FaultRun, system: MonitoredSystem, result: Result): Promise<Injection[]> {
  const injections: Injection[] = [];
  const end = Date.now() + options.seconds * 1_000;
  try {
    while (injections.length < options.injections && Date.now() < end) {
      await system.pause(...(fault.calmMs ?? CALM_MS));
      const injection = await fault.inject(system, injections.length);
      await system.allReceived();
      injections.push(injection);
      result.injections = injections.length;
      if (injection.complaint) result.failures.push(injection.complaint);
      const took = ((Date.now() - injection.at) / 1_000).toFixed(1);
      say(
        `${fault.name}: ${injections.length} of ${options.injections}, ${injection.concerned.length} creators concerned, over after ${took} s`,
      );
    }
  } catch (error) {
    signal.throwIfAborted();
    const reason = reasonOf(error);
    say(`${fault.name}: no recovery: ${reason}`);
    result.failures.push(`no recovery from injection ${injections.length + 1}: ${reason}`);
  }
  return injections;
}

function judge(fault: Fault, { injections, accounting: a, absences: away }: Result, options: IngestRunOptions): string[] {
  if (!a) return [];
  const over = fault.msMax !== undefined && away !== undefined && away.maxMs > fault.msMax;
  return [
    injections < options.injections ? `only ${injections} of ${options.injections} injections` : '',
    a.sent === 0 ? 'nothing was sent' : '',
    a.missingInGaps > EXCUSED_MAX * a.sent ? `gaps excuse ${a.missingInGaps} of ${a.sent} messages` : '',
    a.missing > 0 ? `${a.missing} messages are missing outside of recorded gaps` : '',
    fault.losesNothing && a.missingInGaps > 0 ? `${a.missingInGaps} messages are missing although no connection was lost` : '',
    fault.losesNothing && a.gaps > 0 ? `${a.gaps} gaps are told although no connection was lost` : '',
    a.unsentUnreported > 0 && !fault.isSilent ? `${a.unsentUnreported} messages that no socket got are in no gap` : '',
    a.duplicates > 0 ? `${a.duplicates} messages are stored twice` : '',
    a.orderFaults > 0 ? `${a.orderFaults} messages are out of order` : '',
    a.lateOverTakeover > 0 && !fault.losesRedis ? `${a.lateOverTakeover} messages of a former holder stand behind its successor's` : '',
    a.oldFences > 0 && !fault.losesRedis ? `${a.oldFences} events were said under a fence that was no longer the creator's` : '',
    a.diamondsWrong > 0 ? `the diamonds of ${a.diamondsWrong} creators are wrong` : '',
    a.diamonds.truth === 0 ? 'no gift was given' : '',
    away && away.never > 0 ? `${away.never} creators were never connected to again` : '',
    over ? `the longest ${fault.measure === 'stop' ? 'hand-over' : 'takeover'} took ${away.maxMs} ms, not ${fault.msMax}` : '',
  ].filter(Boolean);
}
