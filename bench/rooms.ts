import { setTimeout as delay } from 'node:timers/promises';
import { finish, machine, readOptions, type RunOptions, table, waitFor } from '@tributary/testing';
import { metricsOf, type Site, valueOf, withSite } from './ingest/site.js';
import { cpuSecondsOf } from './signer/process.js';

/**
 * Many rooms in one worker: `--rooms 1000,2000`, one run of `--seconds` for each number, every room at `--rate` messages a
 * second. What the worker costs, how late its event loop is, whether its memory grows, and whether every message arrived once.
 */
interface Result {
  rooms: number;
  rate: number;
  seconds: number;
  /** From the start of the worker's process to the last room's connection. */
  liveSeconds: number;
  perSecond: number;
  workerCores: number;
  eventsPerCpuSecond: number;
  rssStartMiB: number;
  rssEndMiB: number;
  rssPeakMiB: number;
  /** Least squares over the last two thirds. */
  rssSlopeMiBPerMinute: number;
  /** Beyond the 10 ms at which it is sampled. */
  loopDelayMs: { p50: number; p99: number; max: number };
  sent: number;
  stored: number;
  lost: number;
  duplicates: number;
  gaps: Record<string, number>;
  coresBeside: { simulator: number; redis: number; confirmer: number; signer: number };
}

const ROOMS_MAX = 5_000;
/** The bars: more than one core cannot be used, and a tenth of a second is late for a live event. */
const CORES_MAX = 1;
const P99_MS_MAX = 100;
/** Memory is judged in runs of minutes only; a shorter run is still warming up. */
const JUDGED_SECONDS_MIN = 300;
const SLOPE_MIB_PER_MINUTE_MAX = 2;
const SAMPLES = 300;
const SETTLE_MS = 5_000;
/** perf_hooks tells the whole interval between two of its timers. */
const SAMPLED_EVERY_MS = 10;

const options = readOptions(
  {
    command: 'npm run bench -- rooms',
    about: 'what many rooms in one worker cost: cores, delay of its event loop, memory, and whether every message arrived once',
    seconds: 60,
    secondsAbout: 'time of each number of rooms',
    own: {
      rooms: { default: '1000,2000', value: 'N,N', about: 'one run for each number' },
      rate: { default: '4', about: 'messages a second of each room' },
    },
  },
  ({ own }) => ({ counts: numbers('rooms', own.rooms, ROOMS_MAX), rate: numbers('rate', own.rate, 1_000)[0]! }),
);
const { counts, rate } = options;

/** A list of numbers out of an option. @throws Error that names it */
function numbers(name: string, text: string | undefined, max: number): number[] {
  const values = (text ?? '').split(',').map(Number);
  if (values.some((value) => !(value >= 1 && value <= max)))
    throw new Error(`--${name}: expected numbers from 1 to ${max}, separated by commas`);
  return values;
}

async function run(site: Site, rooms: number, { seconds }: RunOptions): Promise<Result> {
  const opened = await site.openRooms('room', rooms, rate);
  const confirmer = await site.startConfirmer();
  const startedAt = performance.now();
  const worker = await site.startWorker(opened.map(({ uniqueId }) => uniqueId));
  await site.allLive(worker, rooms, 60_000 + rooms * 300);
  const liveSeconds = (performance.now() - startedAt) / 1_000;
  await delay(SETTLE_MS);

  const cpuOf = () => [worker, site.tiktok, confirmer, site.signer].map((part) => part.cpuSeconds());
  await metricsOf(worker);
  const sentBefore = await site.sent('room');
  const from = performance.now();
  const before = cpuOf();
  const redisBefore = cpuSecondsOf(site.redis.pid);
  const resident: [seconds: number, mebibytes: number][] = [];
  while (performance.now() - from < seconds * 1_000) {
    resident.push([(performance.now() - from) / 1_000, worker.residentBytes() / 2 ** 20]);
    await delay(Math.min(seconds * 1_000 - (performance.now() - from), (seconds * 1_000) / SAMPLES));
  }
  const after = cpuOf();
  const took = (performance.now() - from) / 1_000;
  const redisCores = (cpuSecondsOf(site.redis.pid) - redisBefore) / took;
  const metrics = await metricsOf(worker);
  const sentAfter = await site.sent('room');
  await site.setRate('room', 0);
  const sent = await site.sent('room');
  await waitFor(async () => (await confirmer.ask('read')).messages >= sent, { timeoutMs: 20_000, everyMs: 100 }).catch(() => undefined);
  const read = await confirmer.ask('read');
  const cores = after.map((value, index) => (value - (before[index] ?? 0)) / took);
  const [workerCores = 0, simulator = 0, confirmerCores = 0, signer = 0] = cores;
  const lag = (name: string) => Math.max(0, round(valueOf(metrics, `nodejs_eventloop_lag_${name}_seconds`) * 1_000 - SAMPLED_EVERY_MS, 1));
  const perSecond = (sentAfter - sentBefore) / took;
  return {
    rooms,
    rate,
    seconds: round(took, 1),
    liveSeconds: round(liveSeconds, 1),
    perSecond: Math.round(perSecond),
    workerCores: round(workerCores, 3),
    eventsPerCpuSecond: Math.round(perSecond / workerCores),
    rssStartMiB: Math.round(resident[0]?.[1] ?? 0),
    rssEndMiB: Math.round(resident.at(-1)?.[1] ?? 0),
    rssPeakMiB: Math.round(Math.max(...resident.map(([, mebibytes]) => mebibytes))),
    rssSlopeMiBPerMinute: round(slope(resident.slice(Math.floor(resident.length / 3))) * 60, 2),
    loopDelayMs: { p50: lag('p50'), p99: lag('p99'), max: lag('max') },
    sent,
    stored: read.messages,
    lost: sent - read.messages,
    duplicates: read.duplicates,
    gaps: read.gaps,
    coresBeside: {
      simulator: round(simulator, 2),
      redis: round(redisCores, 2),
      confirmer: round(confirmerCores, 2),
      signer: round(signer, 2),
    },
  };
}

/** Slope of the line of least squares through these points. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const x = mean(points.map(([at]) => at));
  const y = mean(points.map(([, value]) => value));
  const spread = points.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0) / spread;
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

function failuresOf(result: Result): string[] {
  const { rooms, seconds, workerCores, loopDelayMs, rssSlopeMiBPerMinute, lost, duplicates } = result;
  return [
    lost === 0 ? '' : `${lost} of ${result.sent} messages were lost`,
    duplicates === 0 ? '' : `${duplicates} messages came twice`,
    workerCores < CORES_MAX ? '' : `the worker took ${workerCores} cores`,
    loopDelayMs.p99 <= P99_MS_MAX ? '' : `the event loop was ${loopDelayMs.p99} ms late (p99), the bar is ${P99_MS_MAX} ms`,
    seconds < JUDGED_SECONDS_MIN || rssSlopeMiBPerMinute <= SLOPE_MIB_PER_MINUTE_MAX
      ? ''
      : `memory grew by ${rssSlopeMiBPerMinute} MiB a minute, the bar is ${SLOPE_MIB_PER_MINUTE_MAX}`,
  ].flatMap((problem) => (problem === '' ? [] : [`${rooms} rooms: ${problem}`]));
}

const results: Result[] = [];
for (const rooms of counts) {
  if (!options.json) process.stderr.write(`${rooms} rooms at ${rate} messages/s for ${options.seconds} s\n`);
  results.push(await withSite(options.seed, (site) => run(site, rooms, options)));
}
const lines = results.map((result) => ({
  rooms: result.rooms,
  'messages/s': result.perSecond,
  'live after s': result.liveSeconds,
  'worker CPU %': round(result.workerCores * 100, 1),
  'messages/CPU-s': result.eventsPerCpuSecond,
  'RSS start MiB': result.rssStartMiB,
  'RSS end MiB': result.rssEndMiB,
  'MiB/min': result.rssSlopeMiBPerMinute,
  'loop p50 ms': result.loopDelayMs.p50,
  'loop p99 ms': result.loopDelayMs.p99,
  'loop max ms': result.loopDelayMs.max,
  sent: result.sent,
  lost: result.lost,
  twice: result.duplicates,
  gaps: Object.values(result.gaps).reduce((sum, count) => sum + count, 0),
  'CPU % of simulator, Redis, confirmer': [result.coresBeside.simulator, result.coresBeside.redis, result.coresBeside.confirmer]
    .map((cores) => Math.round(cores * 100))
    .join(', '),
}));
finish(
  options,
  { results },
  `${table(lines)}\n\n${options.seconds} s each, after all rooms were live; ${machine()}`,
  results.flatMap(failuresOf),
);
