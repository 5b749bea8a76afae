import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { testServers, waitFor } from '@tributary/testing';
import { Redis } from 'ioredis';
import { type BatchOutcome, outcomeOf } from './batch-outcome.js';
import { type FeedBatch, FeedReader, FeedWriter } from './feed.js';
import { LogKeys } from './log-keys.js';
import { InboxProducer } from './producer/inbox-producer.js';
import { type InboxBatch, InboxReader } from './reader/inbox-reader.js';
import { draft } from './testing/drafts.js';
import { FEED, INBOX, LogTransport } from './transport.js';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let commit: (batch: InboxBatch) => unknown;
let take: (batch: FeedBatch) => unknown;

@Controller()
class Consumer {
  @EventPattern(INBOX)
  commit(@Payload() batch: InboxBatch): unknown {
    return commit(batch);
  }

  @EventPattern(FEED)
  take(@Payload() batch: FeedBatch): unknown {
    return take(batch);
  }
}

@Module({ controllers: [Consumer] })
class ConsumerModule {}

let keys: LogKeys;
let redis: Redis;
let producer: InboxProducer;
let app: INestMicroservice;
const clients: Redis[] = [];
const warnings: { fields: object; message: string }[] = [];
const nestErrors: unknown[] = [];
let loads = 0;

function client(): Redis {
  const made = new Redis(testServers().redisUrl, { maxRetriesPerRequest: null });
  made.on('error', () => undefined);
  clients.push(made);
  return made;
}

async function start(): Promise<void> {
  const transport = new LogTransport({
    logger: { ...silent, warn: (fields, message) => void warnings.push({ fields, message }) },
    inbox: {
      reader: new InboxReader({ redis, keys, batchEntriesMax: 100, keepMs: 60_000, inboxBytesMax: 0 }),
      positions: { load: () => ((loads += 1), Promise.resolve({})) },
      keys,
      subscriber: client(),
    },
    feed: { reader: new FeedReader(client(), keys, 100) },
    onClosing: () => clients.forEach((one) => one.disconnect()),
  });
  const quiet = () => undefined;
  const logger = { log: quiet, warn: quiet, error: (message: unknown) => void nestErrors.push(message) };
  app = await NestFactory.createMicroservice(ConsumerModule, { strategy: transport, logger });
  await app.listen();
}

const idsOf = ({ entries }: InboxBatch): string[] => entries.map(({ fields }) => fields.id!);

beforeEach(() => {
  keys = new LogKeys(`transport-${randomUUID().slice(0, 8)}`, 1);
  redis = client();
  warnings.length = 0;
  nestErrors.length = 0;
  loads = 0;
  commit = (): BatchOutcome => ({ kind: 'done' });
  take = (): BatchOutcome => ({ kind: 'done' });
  const none = { flushMs: 1, retainBytesMax: 1_000_000, inboxBytesMax: 0, logger: silent, onRefused: () => undefined };
  producer = new InboxProducer({ redis, keys, run: 'run', ...none });
  producer.start();
});
afterEach(async () => {
  await producer.stop();
  await app.close();
  for (const one of clients.splice(0)) one.disconnect();
});

describe('a handler of the log that Nest calls', () => {
  it('gets each batch once, in order, while it commits them', async () => {
    const seen: string[] = [];
    commit = (batch): BatchOutcome => (seen.push(...idsOf(batch)), { kind: 'done' });
    await start();
    const sent = Array.from({ length: 50 }, (_, n) => draft(n, 'cr_1'));
    for (const event of sent) producer.append(event, '');
    await waitFor(() => seen.length >= 50);
    expect(seen).toEqual(sent.map(({ id }) => id));
    expect({ warnings, nestErrors, loads }).toEqual({ warnings: [], nestErrors: [], loads: 1 });
  });

  it('gets a batch again that failed; its own reason is logged once, and Nest logs nothing', async () => {
    let calls = 0;
    commit = () =>
      outcomeOf(async (): Promise<BatchOutcome> => {
        calls += 1;
        await Promise.resolve();
        if (calls < 4) throw new Error('the database is down');
        return { kind: 'done' };
      });
    await start();
    producer.append(draft(1, 'cr_1'), '');
    await waitFor(() => calls >= 4);
    expect(warnings).toEqual([{ fields: { reason: 'the database is down' }, message: 'the inbox cannot be read or stored; trying again' }]);
    expect(nestErrors).toEqual([]);
  });

  it('is read for again from the stored positions after another writer was first', async () => {
    const outcomes: BatchOutcome[] = [{ kind: 'superseded' }, { kind: 'done' }];
    const seen: string[][] = [];
    commit = (batch) => (seen.push(idsOf(batch)), outcomes.shift() ?? { kind: 'done' });
    await start();
    producer.append(draft(1, 'cr_1'), '');
    await waitFor(() => seen.length >= 2);
    expect({ repeated: seen[1], loads, warnings }).toEqual({ repeated: seen[0], loads: 2, warnings: [] });
  });

  it.each([
    ['throws', () => Promise.reject(new Error('a bug')), /^the handler threw inside Nest \(.+\); this is a bug$/],
    ['returns no outcome', () => true, /^the handler returned boolean and no outcome; this is a bug$/],
  ])('and %s gets the batch again, with a readable reason in the log', async (_what, bug, reason) => {
    let calls = 0;
    commit = () => ((calls += 1) < 3 ? bug() : { kind: 'done' });
    await start();
    producer.append(draft(1, 'cr_1'), '');
    await waitFor(() => calls >= 3);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.fields).toEqual({ reason: expect.stringMatching(reason) });
  });

  it('takes feed batches, and goes on after one that failed', async () => {
    const seen: number[] = [];
    take = ({ to }): BatchOutcome => (seen.push(to), to === 1 ? { kind: 'failed', reason: 'too large' } : { kind: 'done' });
    await start();
    const writer = new FeedWriter(redis, keys, 100);
    await waitFor(async () => {
      if (!seen.includes(1)) await writer.publish({ generation: 1, after: 0, to: 1 }, '[]');
      return seen.includes(1);
    });
    await writer.publish({ generation: 1, after: 1, to: 2 }, '[]');
    await waitFor(() => seen.includes(2));
    expect(warnings[0]).toEqual({ fields: { reason: 'too large' }, message: 'the feed cannot be read; live readers use PostgreSQL' });
  });
});
