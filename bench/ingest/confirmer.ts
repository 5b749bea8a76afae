import { setTimeout as delay } from 'node:timers/promises';
import { InboxReader, LogKeys, type Positions } from '@tributary/log';
import { createRedis, type Logger, waitForRedis } from '@tributary/runtime';
import { RecentIds } from '@tributary/webcast';
import { answer, setupOf } from './part.js';

/** What was read from the inbox. */
export interface Read {
  entries: number;
  /** Messages, each by its id within its creator. */
  messages: number;
  /** Entries whose id was read before. */
  duplicates: number;
  /** `monitor.gap` events by their reason. */
  gaps: Record<string, number>;
}

export interface ConfirmerAnswers {
  read: Read;
}

/**
 * Replaces the store: reads the inbox, checks and confirms it, so that the worker's memory is freed as in production, without the
 * CPU time of PostgreSQL.
 */
const POLL_MS = 25;
const TRIM_EVERY = 40;
const BATCH = 8_000;
/** Ids remembered for each creator: 34 minutes of a moderate room. */
const IDS_MAX = 8_192;

const { redisUrl, prefix, partitions } = setupOf<{ redisUrl: string; prefix: string; partitions: number }>();
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const redis = createRedis(redisUrl, quiet, { name: 'confirmer' });
await waitForRedis(redis, quiet);
const keys = new LogKeys(prefix, partitions);
const reader = new InboxReader({ redis, keys, batchEntriesMax: BATCH, keepMs: 0, inboxBytesMax: 0 });
const read: Read = { entries: 0, messages: 0, duplicates: 0, gaps: {} };
const idsOf = new Map<string, RecentIds>();

function take({ id = '', creator = '', type = '', data = '{}' }: Record<string, string>): void {
  read.entries += 1;
  if (type === 'monitor.gap') {
    const { reason } = JSON.parse(data) as { reason: string };
    read.gaps[reason] = (read.gaps[reason] ?? 0) + 1;
  }
  const [, message, more] = id.split('-');
  // A message has one event under its own id; further ones add a suffix to it.
  if (type.startsWith('monitor.') || message === undefined || more !== undefined) return;
  const ids = idsOf.get(creator) ?? new RecentIds(IDS_MAX);
  idsOf.set(creator, ids);
  if (ids.add(message)) read.messages += 1;
  else read.duplicates += 1;
}

async function run(): Promise<void> {
  let positions: Positions = {};
  for (let round = 1; ; round += 1) {
    const batch = await reader.read(positions);
    const { entries, to } = batch;
    for (const { fields } of entries) take(fields);
    await reader.confirm(batch);
    positions = to;
    if (round % TRIM_EVERY === 0) await reader.trim(positions);
    if (entries.length < BATCH / 2) await delay(POLL_MS);
  }
}

void run();
answer({ read: () => read });
