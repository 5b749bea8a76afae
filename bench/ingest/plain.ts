import { Redis } from 'ioredis';
import { connectorOptions } from '@tributary/testing';
import { TikTokLiveConnection, WebcastEvent } from 'tiktok-live-connector';
import { answer, setupOf } from './part.js';

/**
 * The script that a user of tiktok-live-connector would write: one connection per room as its README shows, a handler for every
 * event, each event as JSON, one `xadd` each. Only the simulator's address and the counts are added for the measurement.
 */
export interface PlainCounts {
  connected: number;
  /** Events that Redis has acknowledged, by their names. */
  acknowledged: Record<string, number>;
  failed: number;
}

export interface PlainAnswers {
  counts: PlainCounts;
  connect: number;
}

interface Emitter {
  on(event: string, listener: (data: unknown) => void): void;
}

/** As a user would bound it; what a stream of whole messages takes is 9 KB for each. */
const STREAM_LENGTH_MAX = 10_000;
const CONNECTS_AT_ONCE = 8;

const { redisUrl, simulatorUrl, names } = setupOf<{ redisUrl: string; simulatorUrl: string; names: string[] }>();
const redis = new Redis(redisUrl);
const counts: PlainCounts = { connected: 0, acknowledged: {}, failed: 0 };
for (const event of Object.values(WebcastEvent)) counts.acknowledged[event] = 0;

function append(name: string, event: string, data: unknown): void {
  redis.xadd('plain', 'MAXLEN', '~', STREAM_LENGTH_MAX, '*', 'creator', name, 'event', event, 'data', JSON.stringify(data)).then(
    () => (counts.acknowledged[event] = (counts.acknowledged[event] ?? 0) + 1),
    () => (counts.failed += 1),
  );
}

async function connect(name: string): Promise<void> {
  const connection = new TikTokLiveConnection(name, connectorOptions(simulatorUrl));
  // The library's declarations lost its emitter.
  const events = connection as unknown as Emitter;
  for (const event of Object.values(WebcastEvent)) events.on(event, (data) => append(name, event, data));
  events.on('disconnected', () => (counts.connected -= 1));
  await connection.connect();
  counts.connected += 1;
}

async function connectAll(): Promise<number> {
  const left = [...names];
  const work = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await connect(name);
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, work));
  return counts.connected;
}

answer({ counts: () => counts, connect: connectAll });
