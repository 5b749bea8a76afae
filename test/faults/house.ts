import { setTimeout as delay } from 'node:timers/promises';
import { callJson, finish, machine, random, readOptions, type Stack, startStack, table, waitFor } from '@tributary/testing';
import pg from 'pg';
import { account, type Accounting, settled } from './parts/accounting.js';

/**
 * The main job under faults: 50 simulated creators with random drops, silence and duplicated history; then the same again while
 * ingest, api and Redis are killed with SIGKILL. Every message sent on an open connection must be stored once, in order, or lie in a recorded gap.
 */
const ROOMS = 50;
const SILENCE_MS = 10_000;
/** Faults of each kind in each minute over all rooms. */
const FAULTS_PER_MINUTE = { drop: 20, silence: 4, duplicate: 10 };
const KILL_EVERY_MS = 20_000;

const options = readOptions({
  command: 'npm run faults -- house',
  about: 'everything at once: drops, silence, duplicates, then kill -9 of every process too, with an account of every message',
  seconds: 600,
  secondsAbout: 'time in which faults are injected, in each of two phases',
});
const say = (text: string) => {
  if (!options.json) process.stderr.write(`${text}\n`);
};

interface Phase {
  name: string;
  kills: Record<string, number>;
  injected: Record<string, number>;
  accounting: Accounting;
}

async function runPhase(stack: Stack, pool: pg.Pool, name: string, prefix: string, withKills: boolean): Promise<Phase> {
  const sim = stack.urls.simulator;
  await callJson('POST', `${sim}/sim/rooms/batch`, { count: ROOMS, prefix, rate: 4, live: true });
  const rooms = await callJson<{ uniqueId: string }[]>('GET', `${sim}/sim/rooms`);
  const uniqueIds = rooms.map(({ uniqueId }) => uniqueId).filter((uniqueId) => uniqueId.startsWith(prefix));
  await stack.call('POST', '/v1/creators/batch', { creators: uniqueIds.map((uniqueId) => ({ uniqueId })) });
  await waitFor(async () => (await live(stack, prefix)) === ROOMS, { timeoutMs: 60_000, everyMs: 500, what: 'all creators live' });
  say(`${name}: ${ROOMS} creators live; injecting faults for ${options.seconds} s`);

  const next = random(options.seed);
  const injected: Record<string, number> = {};
  const kills: Record<string, number> = {};
  const victims = [
    { name: 'ingest', kill: () => restart(stack, 'worker', next) },
    { name: 'api', kill: () => restart(stack, 'api', next) },
    { name: 'redis', kill: () => restart(stack, 'redis', next) },
  ];
  const end = Date.now() + options.seconds * 1000;
  let nextKill = Date.now() + KILL_EVERY_MS / 2;
  let killed = 0;
  let killing: Promise<void> = Promise.resolve();
  while (Date.now() < end) {
    for (const [kind, perMinute] of Object.entries(FAULTS_PER_MINUTE)) {
      if (next() >= perMinute / 60) continue;
      const uniqueId = uniqueIds[Math.floor(next() * uniqueIds.length)];
      await callJson('POST', `${sim}/sim/faults`, {
        kind,
        uniqueId,
        ...(kind === 'silence' ? { durationMs: 2 * SILENCE_MS } : { count: 1 }),
      });
      injected[kind] = (injected[kind] ?? 0) + 1;
    }
    if (withKills && Date.now() >= nextKill && Date.now() < end - KILL_EVERY_MS / 2) {
      nextKill = Date.now() + KILL_EVERY_MS;
      const victim = victims[killed++ % victims.length]!;
      kills[victim.name] = (kills[victim.name] ?? 0) + 1;
      killing = killing.then(() => victim.kill());
    }
    await delay(1_000);
  }
  await killing;
  await callJson('DELETE', `${sim}/sim/faults`);
  await waitFor(async () => (await live(stack, prefix)) === ROOMS, { timeoutMs: 120_000, everyMs: 500, what: 'all creators live again' });
  for (const uniqueId of uniqueIds) await callJson('PATCH', `${sim}/sim/rooms/${uniqueId}`, { rate: 0 });
  await settled(pool, 5_000, 60_000);
  const accounting = await account(sim, pool, uniqueIds);
  for (const uniqueId of uniqueIds) await callJson('PATCH', `${sim}/sim/rooms/${uniqueId}`, { live: false });
  return { name, kills, injected, accounting };
}

async function live(stack: Stack, prefix: string): Promise<number> {
  let count = 0;
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: { data: { uniqueId: string; state: string }[]; next: string | null } = await stack.call(
      'GET',
      `/v1/creators?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    );
    count += page.data.filter(({ uniqueId, state }) => uniqueId.startsWith(prefix) && state === 'live').length;
    cursor = page.next;
  }
  return count;
}

async function restart(stack: Stack, what: 'worker' | 'api' | 'redis', next: () => number): Promise<void> {
  const down = 200 + next() * 2_000;
  if (what === 'redis') {
    await stack.redis.kill9();
    await delay(down);
    await stack.redis.restart();
    return;
  }
  const victim = what === 'api' ? stack.api : stack.workers[Math.floor(next() * stack.workers.length)]!;
  await victim.kill9();
  await delay(down);
  await victim.start();
}

function bars({ name, accounting }: Phase): string[] {
  const { sent, stored, missing, duplicates, orderFaults, gaps } = accounting;
  return [
    sent === 0 ? `${name}: nothing was sent` : '',
    stored < 0.9 * sent ? `${name}: only ${stored} of ${sent} messages are stored; gaps excuse at most a tenth` : '',
    missing > 0 ? `${name}: ${missing} messages are missing outside of recorded gaps` : '',
    duplicates > 0 ? `${name}: ${duplicates} messages are stored twice` : '',
    orderFaults > 0 ? `${name}: ${orderFaults} messages are out of order` : '',
    gaps === 0 ? `${name}: no gap was recorded although connections were cut` : '',
  ].filter(Boolean);
}

const stack = await startStack({ workers: 2, env: { SILENCE_MS: String(SILENCE_MS) } });
const pool = new pg.Pool({ connectionString: stack.postgres.url, max: 2 });
pool.on('error', () => undefined);
try {
  const phases = [
    await runPhase(stack, pool, 'drops, silence, duplicates', 'calm_', false),
    await runPhase(stack, pool, 'the same, with kill -9 of ingest, api and Redis', 'rough_', true),
  ];
  const rows = phases.map(({ name, accounting: a, injected, kills }) => ({
    phase: name,
    sent: a.sent,
    stored: a.stored,
    duplicate: a.duplicates,
    missing: a.missing,
    'missing in gaps': a.missingInGaps,
    'order faults': a.orderFaults,
    'late over takeover': a.lateOverTakeover,
    gaps: a.gaps,
    faults: Object.values(injected).reduce((sum, n) => sum + n, 0),
    kills: Object.values(kills).reduce((sum, n) => sum + n, 0),
  }));
  const details = phases.map(
    ({ name, injected, kills, accounting }) =>
      `${name}: injected ${JSON.stringify(injected)}, killed ${JSON.stringify(kills)}, gaps by reason ${JSON.stringify(accounting.gapsByReason)}${
        accounting.missing > 0 ? `, missing e.g. ${JSON.stringify(accounting.examples)}` : ''
      }`,
  );
  const failures = phases.flatMap(bars);
  if (failures.length > 0) say(`logs of the processes: ${stack.logDir}`);
  finish(
    options,
    { rooms: ROOMS, seconds: options.seconds, phases },
    `${ROOMS} creators, ${options.seconds} s each phase, seed ${options.seed}; ${machine()}\n\n${table(rows)}\n\n${details.join('\n')}`,
    failures,
  );
} finally {
  await pool.end();
  await stack.stop();
}
