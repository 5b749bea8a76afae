import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  callJson,
  finish,
  machine,
  random,
  readOptions,
  type Stack,
  startStack,
  startWebhookReceiver,
  table,
  waitFor,
} from '@tributary/testing';
import pg from 'pg';
import { settled } from './parts/accounting.js';
import { drainEndpoints, Ledger, matchingEvents, seqOf, type Subject, type Tally, type Temper } from './parts/webhook-ledger.js';

/**
 * Webhooks under faults: 200 endpoints of every kind, a fifth of them bad, live events from simulated rooms, while api and Redis
 * are killed, Redis is wiped and PostgreSQL is away for 30 s. Every matching event must arrive, in order where asked. Then a pause
 * over a restart of everything, and a replay beside live delivery.
 */
const ENDPOINTS = 200;
const ROOMS = 20;
const MESSAGES_PER_SECOND = 3;
const TIMEOUT_MS = 3_000;
const POSTGRES_AWAY_MS = 30_000;
const LATENESS_TIMES_MAX = 1.5;
const PAUSED = 5;

const options = readOptions({
  command: 'npm run faults -- webhooks',
  about: '200 endpoints, good and bad, under kills, wipes and outages, with an account of every delivery',
  seconds: 600,
  secondsAbout: 'time in which faults are injected',
});
const next = random(options.seed);
const calmSeconds = Math.max(15, Math.round(options.seconds / 10));
const say = (text: string) => {
  if (!options.json) process.stderr.write(`${text}\n`);
};

interface EndpointAnswer {
  id: string;
  position: string;
}
interface ReplayAnswer {
  id: string;
  state: string;
  from: string;
  to: string;
}

const subjects: Subject[] = [];
const ledger = new Ledger((index) => subjects[index]!);
const receiver = await startWebhookReceiver({ keep: false, answer: (hook) => ledger.answer(hook) });
const stack = await startStack({
  workers: 1,
  env: { WEBHOOK_SECRET_KEY: randomBytes(32).toString('base64'), WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8', LOG_LEVEL: 'info' },
});
const pool = new pg.Pool({ connectionString: stack.postgres.url, max: 2 });
pool.on('error', () => undefined);

async function startRooms(): Promise<{ id: string; uniqueId: string }[]> {
  const sim = stack.urls.simulator;
  await callJson('POST', `${sim}/sim/rooms/batch`, { count: ROOMS, prefix: 'hook_', rate: MESSAGES_PER_SECOND, live: true });
  const rooms = await callJson<{ uniqueId: string }[]>('GET', `${sim}/sim/rooms`);
  const names = rooms.map(({ uniqueId }) => uniqueId).filter((uniqueId) => uniqueId.startsWith('hook_'));
  const { data } = await stack.call<{ data: { id: string; uniqueId: string }[] }>('POST', '/v1/creators/batch', {
    creators: names.map((uniqueId) => ({ uniqueId })),
  });
  await waitFor(
    async () => {
      const page = await stack.call<{ data: { state: string }[] }>('GET', '/v1/creators?state=live&limit=1000');
      return page.data.length === ROOMS;
    },
    { timeoutMs: 60_000, everyMs: 500, what: 'all creators live' },
  );
  return data;
}

/** Makes endpoints: two in five ordered, two parallel, one batched (half of these ordered too). */
async function addEndpoints(count: number, creators: { id: string }[], temper: (n: number) => Temper): Promise<void> {
  for (let n = 0; n < count; n++) {
    const index = subjects.length;
    const batched = n % 5 === 4;
    const ordered = n % 5 < 2 || (batched && n % 2 === 0);
    const creatorIds = [creators[index % creators.length]!.id];
    const subject: Subject = { index, id: '', temper: temper(n), ordered, batched, creatorIds, after: 0 };
    subjects.push(subject);
    const made = await stack.call<EndpointAnswer>('POST', '/v1/webhooks', {
      url: receiver.url(`/${index}`),
      creators: creatorIds,
      types: ['tiktok.live.*'],
      ordered,
      timeoutMs: TIMEOUT_MS,
      ...(batched ? { batch: { maxEvents: 20, maxWaitMs: 500 } } : {}),
    });
    subject.id = made.id;
    subject.after = seqOf(made.position);
  }
}

async function faults(seconds: number): Promise<Record<string, number>> {
  const done: Record<string, number> = {};
  const kinds: { name: string; run: () => Promise<void> }[] = [
    {
      name: 'api kill -9',
      run: async () => {
        await stack.api.kill9();
        await delay(200 + next() * 2_000);
        await stack.api.start();
      },
    },
    {
      name: 'Redis kill -9',
      run: async () => {
        await stack.redis.kill9();
        await delay(200 + next() * 2_000);
        await stack.redis.restart();
      },
    },
    {
      name: 'Redis FLUSHALL',
      run: async () => {
        const { Redis } = await import('ioredis');
        const redis = new Redis(stack.redis.url);
        await redis.flushall();
        redis.disconnect();
      },
    },
    {
      name: 'PostgreSQL away 30 s',
      run: async () => {
        await stack.postgres.stop();
        await delay(POSTGRES_AWAY_MS);
        await stack.postgres.start();
      },
    },
  ];
  const end = Date.now() + seconds * 1_000;
  // Each at least once, then as often as there is time for, in an order that the seed decides.
  for (let n = 0; n < kinds.length || Date.now() < end - POSTGRES_AWAY_MS; n++) {
    const kind = n < kinds.length ? kinds[n]! : kinds[Math.floor(next() * kinds.length)]!;
    await delay(3_000 + next() * 7_000);
    say(`  ${kind.name}`);
    await kind.run();
    done[kind.name] = (done[kind.name] ?? 0) + 1;
    await waitFor(async () => (await fetch(`${stack.urls.api}/readyz`)).ok, {
      timeoutMs: 60_000,
      everyMs: 200,
      what: 'the api to be ready again',
    });
  }
  if (Date.now() < end) await delay(end - Date.now());
  return done;
}

/** Makes every endpoint work, retries waiting deliveries at once, and waits until no event is missing. */
function drain(among: readonly Subject[]): Promise<Tally> {
  return drainEndpoints({ stack, ledger, among, tally: () => ledger.tally(pool, among) });
}

/** Pauses ordered endpoints, restarts everything, and resumes them. */
async function pauseOverRestart(): Promise<Tally> {
  const among = subjects.filter(({ temper, ordered }) => temper === 'good' && ordered).slice(0, PAUSED);
  for (const { id } of among) await stack.call('POST', `/v1/webhooks/${id}/pause`);
  await delay(5_000);
  await stack.api.stop();
  await stack.redis.restart();
  await stack.postgres.restart();
  await stack.api.start();
  await delay(10_000);
  for (const { id } of among) await stack.call('POST', `/v1/webhooks/${id}/resume`, {});
  await stopRooms();
  return drain(subjects);
}

async function stopRooms(): Promise<void> {
  for (const { uniqueId } of creators) await callJson('PATCH', `${stack.urls.simulator}/sim/rooms/${uniqueId}`, { rate: 0 });
  await settled(pool, 5_000, 60_000);
}

/** Replays everything so far to some endpoints while live events go on. */
async function replayBesideLive(): Promise<{ replayed: number; missing: number; orderFaults: number; live: Tally }> {
  for (const { uniqueId } of creators)
    await callJson('PATCH', `${stack.urls.simulator}/sim/rooms/${uniqueId}`, { rate: MESSAGES_PER_SECOND });
  const among = subjects.filter(({ temper, ordered, batched }) => temper === 'good' && ordered && !batched).slice(0, PAUSED);
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const started = await Promise.all(
    among.map(async (subject) => ({
      subject,
      replay: await stack.call<ReplayAnswer>('POST', `/v1/webhooks/${subject.id}/replay`, { since, rateLimit: 2_000 }),
    })),
  );
  for (const { subject, replay } of started) {
    await waitFor(async () => (await stack.call<ReplayAnswer>('GET', `/v1/webhooks/${subject.id}/replays/${replay.id}`)).state === 'done', {
      timeoutMs: 300_000,
      everyMs: 500,
      what: 'a replay to end',
    });
  }
  await stopRooms();
  const result = { replayed: 0, missing: 0, orderFaults: 0, live: await drain(subjects) };
  for (const { subject, replay } of started) {
    const all = await matchingEvents(pool, { creatorIds: subject.creatorIds, after: seqOf(replay.from) });
    const upTo = new Set(await matchingEvents(pool, { creatorIds: subject.creatorIds, after: seqOf(replay.to) }));
    const wanted = all.filter((id) => !upTo.has(id));
    const got = ledger.replayed(replay.id);
    const first = [...new Set(got)];
    result.replayed += got.length;
    result.missing += wanted.filter((id) => !first.includes(id)).length;
    result.orderFaults += first.filter((id, i) => id !== wanted[i]).length > 0 ? 1 : 0;
  }
  return result;
}

let creators: { id: string; uniqueId: string }[] = [];
try {
  creators = await startRooms();
  await addEndpoints(ENDPOINTS * 0.8, creators, () => 'good');
  say(`${ENDPOINTS * 0.8} good endpoints for ${calmSeconds} s`);
  await delay(5_000);
  ledger.takeLateness();
  await delay(calmSeconds * 1_000);
  const alone = ledger.takeLateness();
  // Of the remaining fifth: half fail, a quarter hang, a quarter throttle.
  await addEndpoints(ENDPOINTS * 0.2, creators, (n) => (n % 4 === 2 ? 'hanging' : n % 4 === 3 ? 'throttling' : 'failing'));
  say(`${ENDPOINTS * 0.2} bad ones beside them for ${calmSeconds} s`);
  await delay(5_000);
  ledger.takeLateness();
  await delay(calmSeconds * 1_000);
  const beside = ledger.takeLateness();
  say(`faults for ${options.seconds} s`);
  const injected = await faults(options.seconds);
  await stopRooms();
  const tallies: [string, Tally][] = [];
  await drain(subjects);
  for (const temper of ['good', 'failing', 'hanging', 'throttling'] as const) {
    for (const [kind, test] of [
      ['ordered', (s: Subject) => s.ordered && !s.batched],
      ['parallel', (s: Subject) => !s.ordered && !s.batched],
      ['batched', (s: Subject) => s.batched],
    ] as const) {
      tallies.push([
        `${temper}, ${kind}`,
        await ledger.tally(
          pool,
          subjects.filter((subject) => subject.temper === temper && test(subject)),
        ),
      ]);
    }
  }
  say('a pause over a restart of everything');
  for (const { uniqueId } of creators)
    await callJson('PATCH', `${stack.urls.simulator}/sim/rooms/${uniqueId}`, { rate: MESSAGES_PER_SECOND });
  const paused = await pauseOverRestart();
  say('a replay beside live delivery');
  const replay = await replayBesideLive();
  report(stack, { alone, beside, injected, tallies, paused, replay });
} finally {
  await pool.end();
  await stack.stop();
  await receiver.close();
}

function report(
  running: Stack,
  r: {
    alone: { deliveries: number; p50Ms: number; p99Ms: number };
    beside: { deliveries: number; p50Ms: number; p99Ms: number };
    injected: Record<string, number>;
    tallies: [string, Tally][];
    paused: Tally;
    replay: Awaited<ReturnType<typeof replayBesideLive>>;
  },
): void {
  const bad = (name: string, { matching, missing, foreign, duplicatesOtherId, orderFaults }: Tally) => [
    matching === 0 ? `${name}: no event matched` : '',
    missing > 0 ? `${name}: ${missing} events are missing` : '',
    foreign > 0 ? `${name}: ${foreign} events came that do not match` : '',
    duplicatesOtherId > 0 ? `${name}: ${duplicatesOtherId} duplicates came under another id` : '',
    orderFaults > 0 ? `${name}: ${orderFaults} events are out of order` : '',
  ];
  const times = r.beside.p99Ms / Math.max(1, r.alone.p99Ms);
  const failures = [
    ...r.tallies.flatMap(([name, tally]) => bad(name, tally)),
    ...bad('pause over a restart', r.paused),
    ...bad('live beside a replay', r.replay.live),
    r.replay.replayed === 0 ? 'nothing was replayed' : '',
    r.replay.missing > 0 ? `replay: ${r.replay.missing} events are missing` : '',
    r.replay.orderFaults > 0 ? `replay: ${r.replay.orderFaults} endpoints got it out of order` : '',
    times > LATENESS_TIMES_MAX
      ? `good endpoints' p99 is ${times.toFixed(2)} times as long beside the bad ones, not ${LATENESS_TIMES_MAX}`
      : '',
  ].filter(Boolean);
  if (failures.length > 0) say(`logs of the processes: ${running.logDir}`);
  const row = (name: string, t: Tally) => ({
    endpoints: name,
    count: t.endpoints,
    matching: t.matching,
    delivered: t.delivered,
    missing: t.missing,
    'order faults': t.orderFaults,
    duplicates: t.duplicates,
    'other id': t.duplicatesOtherId,
  });
  const rows = [
    ...r.tallies.map(([name, tally]) => row(name, tally)),
    row('all, after pause and restart', r.paused),
    row('all, after replay', r.replay.live),
  ];
  const late = (name: string, { deliveries, p50Ms, p99Ms }: typeof r.alone) =>
    `${name}: ${deliveries} deliveries, p50 ${p50Ms} ms, p99 ${p99Ms} ms`;
  finish(
    options,
    {
      endpoints: ENDPOINTS,
      rooms: ROOMS,
      seconds: options.seconds,
      ...r,
      tallies: Object.fromEntries(r.tallies),
      lateness: { alone: r.alone, beside: r.beside, times },
    },
    `${ENDPOINTS} endpoints, ${ROOMS} rooms at ${MESSAGES_PER_SECOND} messages/s, faults for ${options.seconds} s, seed ${options.seed}; ${machine()}\n` +
      `injected: ${JSON.stringify(r.injected)}\n\n${table(rows)}\n\n` +
      `${late('good endpoints alone', r.alone)}\n${late('beside the bad ones', r.beside)} (${times.toFixed(2)} times)\n` +
      `replay beside live: ${r.replay.replayed} events, ${r.replay.missing} missing, ${r.replay.orderFaults} endpoints out of order`,
    failures,
  );
}
