import { finish, machine, table } from '@tributary/testing';
import { FULL } from './failover/kinds/full-disk.js';
import { SLOW } from './failover/kinds/slow.js';
import type { Kind } from './failover/kinds/kind.js';
import { UNRESPONSIVE } from './failover/kinds/unresponsive.js';
import { readFailoverOptions } from './failover/options.js';
import { REPLACED } from './failover/kinds/replaced.js';
import { type Result, runKind } from './failover/run.js';
import { runInTurn } from './parts/in-turn.js';

/**
 * Fail-overs, restores, silent peers and full disks on stacks of real processes, at random moments. Every message, every webhook
 * delivery and every event of live readers is accounted for.
 */
const KINDS: readonly Kind[] = [...REPLACED, ...UNRESPONSIVE, ...SLOW, ...FULL];

async function run(): Promise<void> {
  const options = readFailoverOptions(KINDS);
  const { results: ordered, wasEnded } = await runInTurn(options.kinds, options.parallel, (kind, context) =>
    runKind({ kind, options, ...context }),
  );
  const { creators, injections, rate, parallel, seed } = options;
  finish(
    options,
    { creators, injections, rate, parallel, seed, results: ordered },
    `${creators} creators at ${rate} messages/s (a tenth at four times that), up to ${injections} injections each, ${parallel} kinds at once, ` +
      `seed ${seed}; ${machine()}\n\n${table(ordered.map(row))}\n\n${ordered.flatMap(details).join('\n')}`,
    ordered.flatMap(({ kind, failures }) => failures.map((failure) => `${kind}: ${failure}`)),
  );
  if (wasEnded) process.exitCode = 130;
}

function row({
  kind,
  injections,
  recoveredMsMax,
  seconds,
  accounting: a,
  webhooks: w,
  readers: r,
}: Result): Record<string, string | number> {
  return {
    kind,
    injections,
    sent: a?.sent ?? '',
    stored: a?.stored ?? '',
    'in gaps': a?.missingInGaps ?? '',
    'lost by backup': a?.lostByBackup ?? '',
    missing: a?.missing ?? '',
    twice: a?.duplicates ?? '',
    order: a?.orderFaults ?? '',
    late: a?.lateOverTakeover ?? '',
    gaps: a?.gaps ?? '',
    'hooks due': w?.matching ?? '',
    delivered: w?.delivered ?? '',
    'not delivered': w?.missing ?? '',
    wrongly: w?.foreign ?? '',
    'hooks order': w?.orderFaults ?? '',
    'read live': r?.events ?? '',
    'not read': r?.missing ?? '',
    'wrong, twice': r ? r.foreign + r.twice : '',
    'restarts reported': r?.restartsReported ?? '',
    'positions misjudged': r ? r.wronglyHonoured + r.needless : '',
    'stall s': a ? (a.storedLateMsMax / 1_000).toFixed(1) : '',
    'well again s': (recoveredMsMax / 1_000).toFixed(1),
    seconds,
  };
}

function details({ kind, how, accounting: a, webhooks: w, readers: r, failures, logs }: Result): string[] {
  return [
    ...(how ? [`${kind}: ${how}`] : []),
    ...(a && a.gaps > 0
      ? [`${kind}: gaps by reason ${JSON.stringify(a.gapsByReason)}, the longest ${(a.gapMsMax / 1_000).toFixed(1)} s`]
      : []),
    ...(a && failures.length > 0 && a.examples.length > 0 ? [`${kind}: e.g. ${JSON.stringify(a.examples)}`] : []),
    ...(w && w.examples.length > 0 ? [`${kind}: webhooks, e.g. ${JSON.stringify(w.examples)}`] : []),
    ...(r && r.examples.length > 0 ? [`${kind}: live readers, e.g. ${JSON.stringify(r.examples)}`] : []),
    ...(logs ? [`${kind}: logs in ${logs}`] : []),
  ];
}

await run();
