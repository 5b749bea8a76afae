import { finish, machine, ownNumber, readOptions, table } from '@tributary/testing';
import { type Load, measure, median, type Side, ROUNDS } from './ingest/load.js';
import { withSite } from './ingest/site.js';

/**
 * From the socket to Redis' acknowledgement: messages per CPU-second of our worker, of a script that a user would write with
 * tiktok-live-connector, and of a loop that only decodes the same frames. Each is its own process. They take turns in an order
 * that the seed decides. All CPU time from the first message to the last acknowledgement counts.
 */
const TIMES_PLAIN_MIN = 3;
/**
 * The bar is for busy rooms, which show the cost of a message. In moderate rooms frames are most of the cost: a read, an inflation
 * and an acknowledgement for every three messages, which both sides need.
 */
const BUSY: Load = { rooms: 200, rate: 100 };
const MODERATE: Load = { rooms: 1_000, rate: 4 };
const WHAT: Record<Side, string> = {
  ours: 'our worker, socket to Redis acknowledged',
  plain: 'tiktok-live-connector, JSON and xadd each',
  bare: 'bare decode loop, nothing else',
};

const options = readOptions(
  {
    command: 'npm run bench -- ingest',
    about: "messages per CPU-second from the socket to Redis' acknowledgement, beside the plain script of a user and a bare decode loop",
    seconds: 120,
    own: {
      rooms: { default: '', about: `rooms on each side, instead of ${BUSY.rooms} busy and ${MODERATE.rooms} moderate ones` },
      rate: { default: '', about: 'messages a second of each room' },
    },
  },
  (given) => {
    const number = (name: string, fallback: number, max: number) => (given.own[name] ? ownNumber(given, name, { min: 1, max }) : fallback);
    const own = { rooms: number('rooms', BUSY.rooms, 2_000), rate: number('rate', BUSY.rate, 1_000) };
    return { loads: given.own.rooms || given.own.rate ? [own] : [BUSY, MODERATE] };
  },
);
const { loads } = options;
const roundSeconds = Math.max(1, options.seconds / (3 * ROUNDS * loads.length));
const say = (text: string) => {
  if (!options.json) process.stderr.write(`${text}\n`);
};

async function run(load: Load) {
  const { rounds, kept, ours, plain, plainEvents } = await withSite(options.seed, (site) =>
    measure(site, { ...load, seed: options.seed, roundSeconds, say }),
  );
  const ratio = (a: Side, b: Side) => median(rounds[a].map((round, n) => round.perCpuSecond / (rounds[b][n]?.perCpuSecond ?? Infinity)));
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
  const timesPlain = ratio('ours', 'plain');
  const hasBar = load.rate >= BUSY.rate;
  const failures = [
    hasBar && timesPlain < TIMES_PLAIN_MIN ? `${timesPlain.toFixed(2)} times the plain script, the bar is ${TIMES_PLAIN_MIN}` : '',
    ours.acknowledged === ours.sent ? '' : `of ${ours.sent} messages to our worker ${ours.acknowledged} were acknowledged`,
    ours.duplicates === 0 ? '' : `${ours.duplicates} messages came twice from our worker`,
    plain.acknowledged === plain.sent - plain.withoutEvent
      ? ''
      : `of ${plain.sent - plain.withoutEvent} messages to the plain script ${plain.acknowledged} were acknowledged`,
  ].filter(Boolean);
  const about =
    `${load.rooms} rooms at ${load.rate} messages/s on each side, medians of ${ROUNDS} rounds of ${Math.round(roundSeconds * 10) / 10} s in turns, ` +
    `${kept.messages} messages in ${kept.frames} frames of ${Math.round(kept.bytes / kept.frames)} bytes for the loop\n` +
    `by the simulator's ledger: ours ${ours.acknowledged} of ${ours.sent} messages (${ours.appended} events with monitor's own); ` +
    `plain ${plain.acknowledged} of ${plain.sent} (${plain.withoutEvent} of types that the library has no event for)`;
  const result = { ...load, timesPlain, shareOfBareDecode: ratio('ours', 'bare'), rounds, kept, ours };
  return { result: { ...result, plain: { ...plain, events: plainEvents } }, text: `${table(lines)}\n\n${about}`, failures };
}

const runs = [];
for (const load of loads) runs.push(await run(load));
finish(
  options,
  { loads: runs.map(({ result }) => result) },
  `${runs.map(({ text }) => text).join('\n\n')}\n${machine()}`,
  runs.flatMap(({ failures }) => failures),
);
