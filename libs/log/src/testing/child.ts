import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LogKeys } from '../log-keys.js';
import { InboxProducer } from '../producer/inbox-producer.js';
import { draft } from './drafts.js';

/** How a test starts the child. */
export interface ChildSetup {
  redisUrl: string;
  prefix: string;
  partitions: number;
  run: string;
  dir: string;
  segmentBytesMax?: number;
  retainBytesMax?: number;
}

export type ChildCommand = { do: 'append'; creators: string[]; from: number; to: number; fence: string } | { do: 'stats' } | { do: 'stop' };

const setup = JSON.parse(process.argv[2]!) as ChildSetup;
const redis = new Redis(setup.redisUrl, {
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  commandTimeout: 2_000,
  retryStrategy: () => 50,
});
redis.on('error', () => undefined);
const silent = () => undefined;
const producer = new InboxProducer({
  redis,
  keys: new LogKeys(setup.prefix, setup.partitions),
  run: setup.run,
  flushMs: 1,
  retainBytesMax: setup.retainBytesMax ?? 50_000_000,
  inboxBytesMax: 0,
  spool: { dir: setup.dir, bytesMax: 1_000_000_000, segmentBytesMax: setup.segmentBytesMax },
  logger: { info: silent, warn: silent, error: silent },
  onRefused: silent,
});
producer.start();

const answer = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
answer({ pid: process.pid });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as ChildCommand;
  if (command.do === 'append') {
    for (let n = command.from; n <= command.to; n += 1)
      for (const id of command.creators) while (!producer.append(draft(n, id), command.fence)) await delay(5);
  }
  if (command.do === 'stop') {
    await producer.stop();
    redis.disconnect();
  }
  answer(producer.stats());
  if (command.do === 'stop') break;
}
