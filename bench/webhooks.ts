import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import { callJson, finish, machine, readOptions, type Stack, startStack, table, waitFor } from '@tributary/testing';
import pg from 'pg';
import { fillLog, program, startReceiver } from './webhooks/parts.js';

/**
 * Webhook deliveries a second, single and in batches, beside a bare undici loop of the same concurrency and one BullMQ job
 * and one fetch per event; then how late an event is at 500 a second. Everything is a process of its own, on one machine.
 */
const CONCURRENCY = 100;
const BATCH = 100;
const BARE_SHARE_MIN = 0.6;
const JOBS_TIMES_MIN = 3;
const LIVE_PER_SECOND = 500;
const LIVE_ROOMS = 25;
/** More than can be delivered in the time: what is left is not timed. */
const EVENTS_PER_SECOND_MAX = { single: 40_000, batch: 150_000 };

const options = readOptions({
  command: 'npm run bench -- webhooks',
  about: 'deliveries a second, single and in batches, beside a bare loop and one job for each event; then how late events are',
  seconds: 60,
});
const say = (text: string) => {
  if (!options.json) process.stderr.write(`${text}\n`);
};
/** Three measurements of deliveries, four of baselines, one of lateness. */
const share = Math.max(3, Math.round(options.seconds / 8));

const stack = await startStack({
  env: {
    WEBHOOK_SECRET_KEY: randomBytes(32).toString('base64'),
    WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    LOG_LEVEL: 'warn',
    SIMULATOR_RATE: '1',
  },
});
const pool = new pg.Pool({ connectionString: stack.postgres.url, max: 2 });
const receiver = await startReceiver();

interface Endpoint {
  id: string;
}

/** Rate of what the receiver counts, over `share` seconds from the first on. */
async function timed(what: 'requests' | 'events'): Promise<number> {
  const start = await receiver.counts();
  const first = await waitFor(
    async () => {
      const counts = await receiver.counts();
      return counts.requests > start.requests ? counts : undefined;
    },
    { timeoutMs: 60_000, everyMs: 10, what: 'the first delivery' },
  );
  // The first second warms up: connections are made, code is compiled.
  await delay(1_000);
  const from = await receiver.counts();
  await delay(share * 1_000);
  const to = await receiver.counts();
  if (to[what] === first[what]) throw new Error('nothing was delivered');
  return ((to[what] - from[what]) * 1_000) / (to.at - from.at);
}

/** Wait until work that a burst of events causes beside deliveries is over: a log that grows slowly has no such work. */
async function atRest(): Promise<void> {
  await pool.query('vacuum (analyze) events');
  await pool.query('checkpoint');
  await waitFor(
    async () => {
      const { rows } = await pool.query<{ behind: number }>(
        `select (h.seq - p.seq)::float8 as behind from log_head h, aggregate_positions p where p.name = 'sessions'`,
      );
      return rows[0]?.behind === 0;
    },
    { timeoutMs: 120_000, what: 'the sessions to be counted' },
  );
}

async function deliver(kind: 'single' | 'batch'): Promise<number> {
  const { rows } = await pool.query<{ seq: string }>('select seq from log_head');
  const { next } = await stack.call<{ next: string }>('GET', '/v1/events?limit=1&type=monitor.webhook');
  await fillLog(pool, EVENTS_PER_SECOND_MAX[kind] * (share + 3));
  await atRest();
  say(`${kind}: ${EVENTS_PER_SECOND_MAX[kind] * (share + 3)} events are stored after ${rows[0]!.seq}`);
  const endpoint = await stack.call<Endpoint>('POST', '/v1/webhooks', {
    url: receiver.url,
    types: ['tiktok.live.chat'],
    maxInFlight: CONCURRENCY,
    cursor: next,
    ...(kind === 'batch' ? { batch: { maxEvents: BATCH, maxWaitMs: 1_000 } } : {}),
  });
  try {
    return await timed(kind === 'single' ? 'requests' : 'events');
  } finally {
    await stack.call('DELETE', `/v1/webhooks/${endpoint.id}`);
    await delay(1_000);
  }
}

async function bare(body: string): Promise<number> {
  const { first } = program<{ sent: number }>('bare', [receiver.url, String(CONCURRENCY), String(share + 1), body]);
  const rate = timed('requests');
  await first;
  return rate;
}

async function jobEach(body: string): Promise<number> {
  const { first } = program<{ sent: number; seconds: number }>('job-each', [
    receiver.url,
    stack.redis.url,
    String(CONCURRENCY),
    String(share),
    body,
  ]);
  const { sent, seconds } = await first;
  return sent / seconds;
}

/** How late events are from the frame's arrival at the worker to their receipt, with `LIVE_PER_SECOND` from simulated rooms. */
async function lateness(running: Stack): Promise<{ perSecond: number; p50Ms: number; p99Ms: number; maxMs: number }> {
  const sim = running.urls.simulator;
  await callJson('POST', `${sim}/sim/rooms/batch`, { count: LIVE_ROOMS, prefix: 'bench_', rate: LIVE_PER_SECOND / LIVE_ROOMS, live: true });
  const creators = Array.from({ length: LIVE_ROOMS }, (_, n) => n);
  const rooms = await callJson<{ uniqueId: string }[]>('GET', `${sim}/sim/rooms`);
  await running.call('POST', '/v1/creators/batch', { creators: rooms.slice(0, creators.length).map(({ uniqueId }) => ({ uniqueId })) });
  await running.call('POST', '/v1/webhooks', { url: receiver.url, types: ['tiktok.live.*'], maxInFlight: CONCURRENCY });
  await waitFor(async () => (await receiver.counts()).requests > 0, { timeoutMs: 60_000, what: 'live deliveries' });
  await delay(5_000);
  const from = await receiver.counts('/measure');
  await delay(share * 1_000);
  const to = await receiver.counts('/measure');
  return { perSecond: ((to.events - from.events) * 1_000) / (to.at - from.at), p50Ms: to.p50Ms, p99Ms: to.p99Ms, maxMs: to.maxMs };
}

try {
  await fillLog(pool, 1);
  const page = await stack.call<{ data: object[] }>('GET', '/v1/events?limit=1');
  const body = JSON.stringify(page.data[0]);
  const bares = [await bare(body)];
  const singles = [await deliver('single')];
  bares.push(await bare(body));
  singles.push(await deliver('single'));
  bares.push(await bare(body));
  const jobs = await jobEach(body);
  const batched = await deliver('batch');
  say('live events from the simulator');
  const late = await lateness(stack);
  const mean = (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
  const [a, single] = [mean(bares), mean(singles)];
  const result = {
    single: { perSecond: Math.round(single), shareOfBare: single / a, timesJobs: single / jobs },
    batch: { eventsPerSecond: Math.round(batched), timesJobs: batched / jobs },
    bare: { perSecond: Math.round(a) },
    jobEach: { perSecond: Math.round(jobs) },
    live: { ...late, perSecond: Math.round(late.perSecond) },
  };
  const rows = [
    {
      what: 'single deliveries',
      'per second': result.single.perSecond,
      'of bare loop': `${Math.round(100 * result.single.shareOfBare)} %`,
      'times jobs': result.single.timesJobs.toFixed(1),
    },
    {
      what: `events, in batches of ${BATCH}`,
      'per second': result.batch.eventsPerSecond,
      'of bare loop': '',
      'times jobs': result.batch.timesJobs.toFixed(1),
    },
    { what: '(a) bare undici loop', 'per second': result.bare.perSecond, 'of bare loop': '', 'times jobs': '' },
    { what: '(b) one BullMQ job and one fetch per event', 'per second': result.jobEach.perSecond, 'of bare loop': '', 'times jobs': '1.0' },
  ];
  const failures = [
    result.single.shareOfBare < BARE_SHARE_MIN
      ? `single deliveries reach ${Math.round(100 * result.single.shareOfBare)} % of the bare loop, not ${100 * BARE_SHARE_MIN} %`
      : '',
    result.single.timesJobs < JOBS_TIMES_MIN
      ? `single deliveries are ${result.single.timesJobs.toFixed(1)} times one job each, not ${JOBS_TIMES_MIN}`
      : '',
    result.batch.timesJobs < JOBS_TIMES_MIN
      ? `batches are ${result.batch.timesJobs.toFixed(1)} times one job each, not ${JOBS_TIMES_MIN}`
      : '',
    result.live.perSecond < 0.9 * LIVE_PER_SECOND ? `only ${result.live.perSecond} live events a second came` : '',
  ].filter(Boolean);
  if (failures.length > 0) say(`logs of the processes: ${stack.logDir}`);
  finish(
    options,
    { concurrency: CONCURRENCY, bodyBytes: Buffer.byteLength(body), secondsEach: share, ...result },
    `concurrency ${CONCURRENCY}, bodies of ${Buffer.byteLength(body)} bytes, ${share} s each; ${machine()}\n\n${table(rows)}\n\n` +
      `${result.live.perSecond} live events a second, from frame to receipt: p50 ${late.p50Ms} ms, p99 ${late.p99Ms} ms, most ${late.maxMs} ms`,
    failures,
  );
} finally {
  receiver.stop();
  await pool.end();
  await stack.stop();
}
