import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { CreatorProjection, StatusStore, WorkerRegistry } from '@tributary/creators';
import { Config, createLogger, createRedis } from '@tributary/runtime';
import { callJson, Simulator, testServers, waitFor } from '@tributary/testing';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { IngestModule } from './ingest.module.js';

const logger = createLogger({ name: 'ingest', level: 'silent', format: 'json' });
let simulator: Simulator;
let redis: Redis;
let config: Config;
let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  simulator = await new Simulator({ rooms: [{ uniqueId: 'one', rate: 4 }] }).start();
  config = Object.assign(new Config(), {
    redisUrl: testServers().redisUrl,
    redisPrefix: `ingest-${randomUUID().slice(0, 8)}`,
    partitions: 2,
    leaseTtlMs: 1_000,
    workerId: 'w1',
    pollMs: 200,
    tiktokWebUrl: simulator.url,
    tiktokWebcastUrl: simulator.url,
    tiktokSocketUrl: simulator.socketUrl,
    // Nobody listens there.
    signerUrl: 'http://127.0.0.1:9',
  });
  redis = createRedis(config.redisUrl, logger);
  await waitFor(() => redis.status === 'ready');
  await new CreatorProjection({ redis, prefix: config.redisPrefix }).write(
    [{ id: 'cr_one', uniqueId: 'one', paused: false, options: {} }],
    '1',
    new Map(),
  );
  app = await NestFactory.create<NestFastifyApplication>(IngestModule.of(config, logger), new FastifyAdapter(), {
    logger: false,
    abortOnError: false,
  });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});

afterAll(async () => {
  redis.disconnect();
  await simulator.stop();
});

describe('an ingest process', () => {
  it('refuses to start with another number of partitions than its Redis was first used with', async () => {
    const other = Object.assign(new Config(), config, { partitions: 3 });
    const refused = await NestFactory.create<NestFastifyApplication>(IngestModule.of(other, logger), new FastifyAdapter(), {
      logger: false,
      abortOnError: false,
    });
    await expect(refused.init()).rejects.toThrow('PARTITIONS is 3, but this Redis was first used with 2');
    await refused.close();
  });

  it('shows a signer that is down in the state of the creator, and stays ready', async () => {
    const board = new StatusStore({ redis, prefix: config.redisPrefix });
    const status = await waitFor(async () => {
      const [read] = await board.readMany(['cr_one']);
      return read?.lastError ? read : undefined;
    });
    expect(status).toMatchObject({ state: 'connecting', worker: 'w1', lastError: { reason: 'sign-unavailable' } });
    const ready = await waitFor(async () => {
      const answer = await callJson<{ ready: boolean; checks: object }>('GET', `${url}/readyz`);
      return answer.ready ? answer : undefined;
    });
    const stages = { decode: 'ok', memory: 'ok', inbox: 'ok', store: 'ok', spool: 'ok' };
    expect(ready.checks).toEqual({ redis: 'ok', leases: 'ok', ...stages });
  });

  it('is in the registry of workers with its counters, and in its metrics', async () => {
    const workers = new WorkerRegistry({ redis, prefix: config.redisPrefix, leaseTtlMs: config.leaseTtlMs });
    const [worker] = await waitFor(async () => {
      const list = await workers.list();
      return list[0]?.creators === 1 ? list : undefined;
    });
    expect(worker).toMatchObject({ worker: 'w1', capacity: config.workerCapacity });
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('tributary_ingest_creators{state="connecting",process="ingest"} 1');
    expect(metrics).toContain('tributary_ingest_leases{what="held",process="ingest"} 1');
    expect(metrics).toMatch(/tributary_ingest_sign_calls_in_window\{process="ingest"\} \d/);
    expect(metrics).toContain('nodejs_eventloop_lag_p99_seconds');
  });

  it('leaves nothing behind when it stops: no registry entry, no lease, no worker in the last status', async () => {
    const startedAt = performance.now();
    await app.close();
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    expect(await redis.hgetall(`${config.redisPrefix}:workers`)).toEqual({});
    const leases = await Promise.all([0, 1].map((p) => redis.hvals(`${config.redisPrefix}:{${p}}:leases`)));
    expect(leases.flat()).toEqual([expect.stringMatching(/^\d+ - \d+$/)]);
    const [last] = await new StatusStore({ redis, prefix: config.redisPrefix }).readMany(['cr_one']);
    expect(last?.worker).toBeUndefined();
  });
});
