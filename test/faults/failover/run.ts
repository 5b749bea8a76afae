import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random, type Stack, startStack } from '@tributary/testing';
import { reasonOf } from '@tributary/runtime';
import { account, type Accounting, settled } from '../parts/accounting.js';
import { SILENCE_MS } from '../parts/monitored-system.js';
import type { Tally } from '../parts/webhook-ledger.js';
import { Endpoints } from './endpoints.js';
import type { Kind, Preparation } from './kinds/kind.js';
import { readLog } from './log-state.js';
import type { FailoverOptions } from './options.js';
import { accountReaders, type ReaderAccount } from './readers.js';
import { FailoverSystem } from './failover-system.js';

/** Result of one kind. */
export interface Result {
  kind: string;
  title: string;
  how?: string;
  injections: number;
  seconds: number;
  recoveredMsMax: number;
  accounting?: Accounting;
  webhooks?: Tally;
  readers?: ReaderAccount;
  failures: string[];
  /** Logs of the processes, kept when a bar was not met. */
  logs?: string;
}

export interface KindRun {
  kind: Kind;
  options: FailoverOptions;
  say: (text: string) => void;
  /** Ends the run; everything that was started is stopped. */
  signal: AbortSignal;
}

const WORKERS = 2;
const CALM_MS = [2_000, 6_000] as const;
const SETTLED_MS = 5_000;
const SETTLED_MS_MAX = 90_000;
/** Readers that were cut off at the end come back within this. */
const READERS_MS = 6_000;
/** Largest part of the sent messages that may lie in gaps; with more the run would prove nothing. */
const EXCUSED_MAX = 0.5;

/** Runs one kind on its own stack and checks its bars. Never throws: an error becomes a failure of the result. */
export async function runKind({ kind, options, say, signal }: KindRun): Promise<Result> {
  const result: Result = { kind: kind.name, title: kind.title, injections: 0, seconds: 0, recoveredMsMax: 0, failures: [] };
  const logDir = mkdtempSync(join(tmpdir(), `tributary-faults-${kind.name}-`));
  const startedAt = Date.now();
  let prepared: Preparation = { stack: {} };
  let stack: Stack | undefined;
  let system: FailoverSystem | undefined;
  try {
    if (kind.prepare) prepared = await kind.prepare();
    if (prepared.how) result.how = prepared.how;
    stack = await startStack({
      workers: WORKERS,
      lines: true,
      ...prepared.stack,
      logDir,
      env: { ...environment(), ...prepared.stack.env },
    });
    signal.throwIfAborted();
    const seed = options.seed + kind.name.length * 7_919 + kind.name.charCodeAt(0);
    system = new FailoverSystem({ stack, creators: options.creators, rate: options.rate, random: random(seed), signal });
    await kind.setUp?.(system);
    await system.populate();
    const from = Date.now();
    const endpoints = new Endpoints(system);
    await endpoints.start();
    await addReaders(system);
    await system.flowing();
    await kind.begin?.(system);
    say(`${kind.name}: ${options.creators} creators are live`);
    await inject({ kind, options, say, signal }, system, result);
    say(`${kind.name}: counting`);
    // The effects of the last injection must be over, since gaps that are published after the end of the traffic do not count.
    await system.sleep(SILENCE_MS);
    await system.hush();
    const window = { from, to: Date.now() };
    await settled(system.pool, SETTLED_MS, SETTLED_MS_MAX);
    result.webhooks = await endpoints.drain();
    await system.sleep(READERS_MS);
    const extras = { window, lost: system.lost, storedAt: system.watch.storedAt };
    result.accounting = await account(stack.urls.simulator, system.pool, system.handles, extras);
    result.readers = accountReaders(system.readers, [...system.former, await readLog(system.postgres.url)]);
    result.failures.push(...judge(kind, result, options, kind.stallMsMax + system.awayMsMax));
  } catch (error) {
    result.failures.push(signal.aborted ? 'the run was ended' : `the run failed: ${reasonOf(error)}`);
  } finally {
    await system?.leave();
    await stack?.stop();
    await system?.close();
    await prepared.undo?.();
  }
  if (result.failures.length === 0 || signal.aborted) rmSync(logDir, { recursive: true, force: true });
  else result.logs = logDir;
  result.seconds = Math.round((Date.now() - startedAt) / 1_000);
  say(`${kind.name}: done in ${result.seconds} s, ${result.failures.length === 0 ? 'every bar was met' : result.failures.join('; ')}`);
  return result;
}

function environment(): Record<string, string> {
  const key = () => randomBytes(32).toString('base64');
  return {
    API_RATE_PER_MINUTE: '1000000',
    SILENCE_MS: String(SILENCE_MS),
    WEBHOOK_SECRET_KEY: key(),
    WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    PROXY_ALLOW_CIDRS: '127.0.0.0/8',
    CREATOR_SECRET_KEY: key(),
  };
}

/** Readers of everything, of one creator, of some, and of one type. */
async function addReaders(system: FailoverSystem): Promise<void> {
  const ids = (await system.creators()).map(({ id }) => id);
  system.addReader('all', {});
  system.addReader('all again', {});
  system.addReader('one creator', { creatorIds: ids.slice(0, 1) });
  system.addReader('four creators', { creatorIds: ids.slice(1, 5) });
  system.addReader('gifts', { type: 'tiktok.live.gift' });
}

/** Injects the wanted number of times. It stops when the system does not recover, since later injections would prove nothing. */
async function inject({ kind, options, say, signal }: KindRun, system: FailoverSystem, result: Result): Promise<void> {
  try {
    while (result.injections < options.injections) {
      await system.pause(...CALM_MS);
      const at = Date.now();
      await kind.inject(system, result.injections);
      const ended = Date.now();
      await system.allReceived();
      await system.flowing();
      result.injections += 1;
      const recoveredMs = Date.now() - ended;
      result.recoveredMsMax = Math.max(result.recoveredMsMax, recoveredMs);
      const seconds = (ms: number) => (ms / 1_000).toFixed(1);
      say(
        `${kind.name}: ${result.injections} of ${options.injections}, ${seconds(ended - at)} s, all is well again ${seconds(recoveredMs)} s later`,
      );
    }
  } catch (error) {
    signal.throwIfAborted();
    const reason = reasonOf(error);
    say(`${kind.name}: no recovery: ${reason}`);
    result.failures.push(`no recovery from injection ${result.injections + 1}: ${reason}`);
  }
}

function judge(
  kind: Kind,
  { injections, accounting: a, webhooks: w, readers: r }: Result,
  options: FailoverOptions,
  stallMsMax: number,
): string[] {
  if (!a || !w || !r) return [];
  return [
    injections < options.injections ? `only ${injections} of ${options.injections} injections` : '',
    a.sent === 0 ? 'nothing was sent' : '',
    a.missingInGaps > EXCUSED_MAX * a.sent ? `gaps excuse ${a.missingInGaps} of ${a.sent} messages` : '',
    a.missing > 0 ? `${a.missing} messages are missing outside of recorded gaps` : '',
    kind.losesNothing && a.missingInGaps + a.gaps > 0
      ? `${a.missingInGaps} messages are missing in ${a.gaps} gaps although no connection was lost`
      : '',
    a.unsentUnreported > 0 ? `${a.unsentUnreported} messages that no socket got are in no gap` : '',
    a.duplicates > 0 ? `${a.duplicates} messages are stored twice` : '',
    a.orderFaults > 0 ? `${a.orderFaults} messages are out of order` : '',
    a.storedLateMsMax > stallMsMax ? `the longest stall is ${a.storedLateMsMax} ms, not ${stallMsMax}` : '',
    w.matching === 0 ? 'no event matched an endpoint' : '',
    w.missing > 0 ? `webhooks: ${w.missing} events are missing` : '',
    w.foreign > 0 ? `webhooks: ${w.foreign} events came that do not match` : '',
    w.orderFaults > 0 ? `webhooks: ${w.orderFaults} events are out of order` : '',
    r.events === 0 ? 'no live reader got anything' : '',
    r.missing > 0 ? `live readers: ${r.missing} events are missing` : '',
    r.foreign > 0 ? `live readers: ${r.foreign} events came that the log does not hold there` : '',
    r.twice > 0 ? `live readers: ${r.twice} events came twice` : '',
    r.wronglyHonoured > 0 ? `live readers: ${r.wronglyHonoured} positions of a lost future were honoured` : '',
    r.needless > 0 ? `live readers: ${r.needless} good positions were not honoured` : '',
  ].filter(Boolean);
}
