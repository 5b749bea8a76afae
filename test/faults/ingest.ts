import { finish, machine, table } from '@tributary/testing';
import { FAULTS, WORKERS } from './ingest/kinds.js';
import { readIngestOptions } from './ingest/options.js';
import { type Result, runFault } from './ingest/run.js';
import { runInTurn } from './parts/in-turn.js';
import { SILENCE_MS } from './parts/monitored-system.js';

/**
 * The fault table of ingest: each fault on a stack of real processes (simulator, signer, api, three workers, Redis with its
 * append-only file, PostgreSQL), injected repeatedly at random moments. Every message is traced from the simulator's
 * ledger to the store.
 */
async function run(): Promise<void> {
  const options = readIngestOptions(FAULTS);
  const { results: ordered, wasEnded } = await runInTurn(options.faults, options.parallel, (fault, context) =>
    runFault({ fault, options, ...context }),
  );
  const details = ordered.flatMap(({ fault, accounting: a, stream, failures, logs }) => [
    ...(a && a.gaps > 0
      ? [`${fault}: gaps by reason ${JSON.stringify(a.gapsByReason)}, the longest ${(a.gapMsMax / 1_000).toFixed(1)} s`]
      : []),
    ...(stream ? [`${fault}: ${stream.entries} entries of the inbox were read beside it`] : []),
    ...(a && failures.length > 0 && a.examples.length > 0 ? [`${fault}: e.g. ${JSON.stringify(a.examples)}`] : []),
    ...(logs ? [`${fault}: logs in ${logs}`] : []),
  ]);
  const { creators, injections, rate, parallel, seed } = options;
  finish(
    options,
    { creators, injections, rate, parallel, seed, workers: WORKERS, silenceMs: SILENCE_MS, results: ordered },
    `${creators} creators at ${rate} messages/s (a tenth at four times that), ${WORKERS} workers, ${injections} injections each, ` +
      `${parallel} at once, seed ${seed}; ${machine()}\n\n${table(ordered.map(row))}\n\n${details.join('\n')}`,
    ordered.flatMap(({ fault, failures }) => failures.map((failure) => `${fault}: ${failure}`)),
  );
  if (wasEnded) process.exitCode = 130;
}

function row({ fault, injections, seconds, accounting: a, absences: away, stream }: Result): Record<string, string | number> {
  const ms = (value: number | undefined) => (value === undefined ? '' : (value / 1_000).toFixed(2));
  return {
    fault,
    injections,
    sent: a?.sent ?? '',
    stored: a?.stored ?? '',
    missing: a?.missing ?? '',
    'in gaps': a?.missingInGaps ?? '',
    unsent: a?.unsent ?? '',
    unreported: a?.unsentUnreported ?? '',
    'twice stored': a?.duplicates ?? '',
    'twice on stream': stream?.duplicates ?? '',
    'order faults': a?.orderFaults ?? '',
    late: a?.lateOverTakeover ?? '',
    'old fences': a?.oldFences ?? '',
    gaps: a?.gaps ?? '',
    'away p50 s': ms(away?.p50Ms),
    'max s': ms(away?.maxMs),
    diamonds: a ? (a.diamondsWrong === 0 ? `= ${a.diamonds.truth}` : `${a.diamonds.stored} for ${a.diamonds.truth}`) : '',
    seconds,
  };
}

await run();
