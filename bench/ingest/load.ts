import { setTimeout as delay } from 'node:timers/promises';
import { random, waitFor } from '@tributary/testing';
import { WebcastEventMap } from 'tiktok-live-connector';
import type { DecodeAnswers } from './decode.js';
import type { PlainAnswers } from './plain.js';
import { metricsOf, type Site, valueOf } from './site.js';

/** Our worker, the script a user would write, and a loop that only decodes. */
export type Side = 'ours' | 'plain' | 'bare';

export interface Round {
  messages: number;
  cpuSeconds: number;
  perCpuSecond: number;
}

/** Measured rounds; one more goes before, in which code is compiled and memory grows. */
export const ROUNDS = 5;
const OURS = 'ours';
const PLAIN = 'plain';
const DECODED = 'decoded';
/** Rooms whose frames the bare loop decodes, and for how long they are kept. */
const DECODED_ROOMS = 300;
const DECODED_MS = 4_000;
const ACKNOWLEDGED_MS_MAX = 30_000;
/** Events that the client library emits in addition to the one of the message. */
const EXTRA_EVENTS = ['superFan', 'superFanJoin', 'superFanBox', 'streamEnd'];
/** Wire names that have an event besides those of its map. */
const OTHER_METHODS = ['WebcastGiftMessage', 'WebcastControlMessage'];

/** Equal rooms, so many on each side. */
export interface Load {
  rooms: number;
  /** Messages a second of each. */
  rate: number;
}

export interface LoadOptions extends Load {
  seed: number;
  roundSeconds: number;
  say: (text: string) => void;
}

function roundOf(messages: number, cpuSeconds: number): Round {
  return { messages, cpuSeconds, perCpuSecond: messages / cpuSeconds };
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Starts the traffic of one side's rooms for a round, and waits until every message is acknowledged. */
async function listen(
  site: Site,
  prefix: string,
  { rate, roundSeconds }: LoadOptions,
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

/** Messages that the script must have received by the ledgers of its rooms: all that the library has an event for. */
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

/** Opens the rooms, connects all sides, and lets them take turns in an order that the seed decides. */
export async function measure(site: Site, options: LoadOptions) {
  const { rooms, rate, seed, roundSeconds, say } = options;
  const draw = random(seed);
  say(`${rooms} rooms each are opened and connected`);
  const [ourRooms, plainRooms, decodedRooms] = await Promise.all([
    site.openRooms(OURS, rooms, 0),
    site.openRooms(PLAIN, rooms, 0),
    site.openRooms(DECODED, DECODED_ROOMS, 0),
  ]);
  const confirmer = await site.startConfirmer();
  // Rooms are silent between rounds, which must not count as a dead socket.
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
        options,
        () => worker.cpuSeconds(),
        async () => (await confirmer.ask('read')).messages,
        () => site.sent(OURS),
      ),
    plain: () =>
      listen(
        site,
        PLAIN,
        options,
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
