import { setTimeout as delay } from 'node:timers/promises';
import { finish, machine, random, readOptions, table, waitFor } from '@tributary/testing';
import { WebcastEventMap } from 'tiktok-live-connector';
import type { DecodeAnswers } from './ingest/decode.js';
import type { PlainAnswers } from './ingest/plain.js';
import { metricsOf, type Site, valueOf, withSite } from './ingest/site.js';

/**
 * From the socket to Redis' acknowledgement: messages per CPU-second of our worker, beside the script a user would write with
 * tiktok-live-connector, and beside a loop that only decodes the same frames. Each is a process of its own; they take turns, in an
 * order that the seed decides, and each is charged with all of its CPU time from the first message to the last acknowledgement.
 */
type Side = 'ours' | 'plain' | 'bare';

interface Round {
  messages: number;
  cpuSeconds: number;
  perCpuSecond: number;
}

const ROUNDS = 5;
const TIMES_PLAIN_MIN = 3;
const OURS = 'ours';
const PLAIN = 'plain';
const DECODED = 'decoded';
/** Rooms whose frames the bare loop decodes, and for how long they are kept. */
const DECODED_ROOMS = 300;
const DECODED_MS = 4_000;
const ACKNOWLEDGED_MS_MAX = 30_000;
/** Events that the client library emits in addition to the one of the message. */
const EXTRA_EVENTS = ['superFan', 'superFanJoin', 'superFanBox', 'streamEnd'];
/** Wire names it has an event for beside those of its map. */
const OTHER_METHODS = ['WebcastGiftMessage', 'WebcastControlMessage'];

const options = readOptions({ seconds: 60 }, { rooms: '1000', rate: '4' });
const rooms = wholeNumber('rooms', 2_000);
const rate = wholeNumber('rate', 1_000);
const draw = random(options.seed);
const roundSeconds = Math.max(1, options.seconds / (3 * ROUNDS));
const say = (text: string) => {
  if (!options.json) process.stderr.write(`${text}\n`);
};

function wholeNumber(name: 'rooms' | 'rate', max: number): number {
  const value = Number(options.own[name]);
  if (!(Number.isInteger(value) && value >= 1 && value <= max)) throw new Error(`--${name}: expected a whole number from 1 to ${max}`);
  return value;
}

function roundOf(messages: number, cpuSeconds: number): Round {
  return { messages, cpuSeconds, perCpuSecond: messages / cpuSeconds };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Lets the rooms of one side speak for a round, and waits until everything they said is acknowledged. */
async function listen(
  site: Site,
  prefix: string,
  cpuSeconds: () => number,
  acknowledged: () => Promise<number>,
  all: () => Promise<number>,
) {
  const sentBefore = await all();
  const cpuBefore = cpuSeconds();
  await site.setRate(prefix, rate);
  await delay(roundSeconds * 1_000);
  await site.setRate(prefix, 0);
  const sent = await all();
  const isDone = async () => (await acknowledged()) >= sent;
  await waitFor(isDone, { timeoutMs: ACKNOWLEDGED_MS_MAX, everyMs: 50, what: `all of ${sent} messages to be acknowledged (${prefix})` });
  return roundOf(sent - sentBefore, cpuSeconds() - cpuBefore);
}

/** What the ledgers of the script's rooms say it must have got: all messages that the library has an event for. */
async function expectedOf(site: Site): Promise<{ events: number; without: number }> {
  const known = new Set([...Object.keys(WebcastEventMap), ...OTHER_METHODS]);
  let events = 0;
  let without = 0;
  for (const { uniqueId } of await site.rooms(PLAIN)) {
    for (const { method } of await site.ledger(uniqueId)) {
      if (known.has(method)) events += 1;
      else without += 1;
    }
  }
  return { events, without };
}

async function measure(site: Site) {
  say(`${rooms} rooms each are opened and connected`);
  const [ourRooms, plainRooms, decodedRooms] = await Promise.all([
    site.openRooms(OURS, rooms, 0),
    site.openRooms(PLAIN, rooms, 0),
    site.openRooms(DECODED, DECODED_ROOMS, 0),
  ]);
  const confirmer = await site.startConfirmer();
  // Rooms are silent between rounds: that is no dead socket.
  const worker = await site.startWorker(
    ourRooms.map(({ uniqueId }) => uniqueId),
    { SILENCE_MS: '3600000' },
  );
  await site.allLive(worker, rooms, 60_000 + rooms * 300);
  const names = plainRooms.map(({ uniqueId }) => uniqueId);
  const setup = { redisUrl: site.redis.url, simulatorUrl: site.tiktokUrl, names };
  const plain = await site.startPart<PlainAnswers>('plain', setup, { SIGN_API_URL: site.signer.url });
  await plain.ask('connect');
  const decoder = await site.startPart<DecodeAnswers>('decode', { simulatorUrl: site.tiktokUrl });
  await decoder.ask(
    'watch',
    decodedRooms.map(({ roomId }) => roomId),
  );
  await site.setRate(DECODED, rate);
  await delay(DECODED_MS);
  await site.setRate(DECODED, 0);
  const kept = await decoder.ask('keep');

  const plainEvents = async () => {
    const { acknowledged, failed } = await plain.ask('counts');
    if (failed > 0) throw new Error(`${failed} xadds of the plain script failed`);
    const extra = EXTRA_EVENTS.reduce((sum, event) => sum + (acknowledged[event] ?? 0), 0);
    return Object.values(acknowledged).reduce((sum, count) => sum + count, 0) - extra;
  };
  const runs: Record<Side, () => Promise<Round>> = {
    ours: () =>
      listen(
        site,
        OURS,
        () => worker.cpuSeconds(),
        async () => (await confirmer.ask('read')).messages,
        () => site.sent(OURS),
      ),
    plain: () =>
      listen(
        site,
        PLAIN,
        () => plain.cpuSeconds(),
        plainEvents,
        async () => (await expectedOf(site)).events,
      ),
    bare: async () => {
      const { messages, cpuSeconds } = await decoder.ask('loop', roundSeconds);
      return roundOf(messages, cpuSeconds);
    },
  };
  const rounds: Record<Side, Round[]> = { ours: [], plain: [], bare: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const side of (Object.keys(runs) as Side[]).sort(() => draw() - 0.5)) {
      const result = await runs[side]();
      // In the first round code is compiled and memory grows.
      if (round > 0) rounds[side].push(result);
    }
    say(`round ${round} of ${ROUNDS}`);
  }
  const read = await confirmer.ask('read');
  const expected = await expectedOf(site);
  const metrics = await metricsOf(worker);
  const { acknowledged, connected } = await plain.ask('counts');
  return {
    rounds,
    kept,
    ours: {
      sent: await site.sent(OURS),
      acknowledged: read.messages,
      duplicates: read.duplicates,
      appended: valueOf(metrics, 'tributary_ingest_events', 'stage="appended"'),
    },
    plain: { sent: expected.events + expected.without, withoutEvent: expected.without, acknowledged: await plainEvents(), connected },
    plainEvents: acknowledged,
  };
}

const { rounds, kept, ours, plain, plainEvents } = await withSite(options.seed, measure);
const ratio = (a: Side, b: Side) => median(rounds[a].map((round, n) => round.perCpuSecond / (rounds[b][n]?.perCpuSecond ?? Infinity)));
const timesPlain = ratio('ours', 'plain');
const shareOfBare = ratio('ours', 'bare');
const WHAT: Record<Side, string> = {
  ours: 'our worker, socket to Redis acknowledged',
  plain: 'tiktok-live-connector, JSON and xadd each',
  bare: 'bare decode loop, nothing else',
};
const lines = (Object.keys(WHAT) as Side[]).map((side) => {
  const perCpuSecond = rounds[side].map((round) => round.perCpuSecond);
  return {
    what: WHAT[side],
    'messages/CPU-s': Math.round(median(perCpuSecond)),
    from: Math.round(Math.min(...perCpuSecond)),
    to: Math.round(Math.max(...perCpuSecond)),
    'CPU µs each': Math.round((1e6 / median(perCpuSecond)) * 10) / 10,
    'times plain': Math.round(ratio(side, 'plain') * 100) / 100,
    '% of bare decode': Math.round(ratio(side, 'bare') * 1_000) / 10,
  };
});
const failures = [
  timesPlain >= TIMES_PLAIN_MIN ? '' : `${timesPlain.toFixed(2)} times the plain script, the bar is ${TIMES_PLAIN_MIN}`,
  ours.acknowledged === ours.sent ? '' : `of ${ours.sent} messages to our worker ${ours.acknowledged} were acknowledged`,
  ours.duplicates === 0 ? '' : `${ours.duplicates} messages came twice from our worker`,
  plain.acknowledged === plain.sent - plain.withoutEvent
    ? ''
    : `of ${plain.sent - plain.withoutEvent} messages to the plain script ${plain.acknowledged} were acknowledged`,
].filter(Boolean);
const about =
  `${rooms} rooms at ${rate} messages/s on each side, medians of ${ROUNDS} rounds of ${Math.round(roundSeconds * 10) / 10} s in turns, ` +
  `${kept.messages} messages in ${kept.frames} frames of ${Math.round(kept.bytes / kept.frames)} bytes for the loop\n` +
  `by the simulator's ledger: ours ${ours.acknowledged} of ${ours.sent} messages (${ours.appended} events with monitor's own); ` +
  `plain ${plain.acknowledged} of ${plain.sent} (${plain.withoutEvent} of types that the library has no event for)`;
finish(
  options,
  { rooms, rate, timesPlain, shareOfBareDecode: shareOfBare, rounds, kept, ours, plain: { ...plain, events: plainEvents } },
  `${table(lines)}\n\n${about}\n${machine()}`,
  failures,
);
