import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Config, createHttpAdapter, createLogger, type HttpAdapter } from '@tributary/runtime';
import { CONTROL_ROUTES, PUSH_PATHS, Simulator, testServers, TIKTOK_PATHS } from '@tributary/testing';
import { ApiUnderTest } from '../../apps/api/src/testing/api-under-test.js';
import { IngestModule } from '../../apps/ingest/src/ingest.module.js';
import { type Cells, fill, print } from './cells.js';

const HEALTH = ['GET /healthz', 'GET /metrics', 'GET /readyz', 'HEAD /healthz', 'HEAD /metrics', 'HEAD /readyz'];
const routesOf = (app: NestFastifyApplication) =>
  (app.getHttpAdapter() as unknown as HttpAdapter).routeTable
    .list()
    .map(({ method, pattern }) => `${method} ${pattern}`)
    .sort();

describe('a process that serves no API', () => {
  it('serves health and metrics alone: a worker', async () => {
    const config = Object.assign(new Config(), {
      redisUrl: testServers().redisUrl,
      redisPrefix: `matrix-${randomUUID()}`,
      partitions: 1,
      workerId: 'w1',
      // Nobody listens there.
      signerUrl: 'http://127.0.0.1:9',
      tiktokWebUrl: 'http://127.0.0.1:9',
      tiktokWebcastUrl: 'http://127.0.0.1:9',
    });
    const logger = createLogger({ name: 'ingest', level: 'silent', format: 'json' });
    const app = await NestFactory.create<NestFastifyApplication>(IngestModule.of(config, logger), createHttpAdapter({}), {
      logger: false,
      abortOnError: false,
    });
    await app.listen(0, '127.0.0.1');
    try {
      expect(routesOf(app)).toEqual(HEALTH);
      expect(app.getHttpServer().listenerCount('upgrade')).toBe(0);
    } finally {
      await app.close();
    }
  });

  it('serves health and metrics alone: an api without the role http', async () => {
    const api = await ApiUnderTest.start({ config: { apiRoles: ['store', 'webhooks'] } });
    try {
      expect(routesOf(api.app)).toEqual(HEALTH);
      expect(api.app.getHttpServer().listenerCount('upgrade')).toBe(0);
    } finally {
      await api.stop();
    }
  });
});

describe('the simulator, which asks for no key', () => {
  const CONTROL = [
    'POST /sim/sign',
    'GET /sim/rooms',
    'POST /sim/rooms',
    'PATCH /sim/rooms',
    'DELETE /sim/rooms',
    'POST /sim/rooms/batch',
    'GET /sim/rooms/:uniqueId',
    'PATCH /sim/rooms/:uniqueId',
    'DELETE /sim/rooms/:uniqueId',
    'GET /sim/rooms/:uniqueId/ledger',
    'GET /sim/rooms/:uniqueId/connections',
    'POST /sim/rooms/:uniqueId/burst',
    'GET /sim/faults',
    'POST /sim/faults',
    'DELETE /sim/faults',
    'GET /sim/faults/log',
    'DELETE /sim/faults/:id',
    'POST /sim/replay',
    'GET /sim/replay/:id',
    'GET /sim/stats',
    'GET /healthz',
  ];
  const TIKTOK = [
    '/',
    '/@:uniqueId',
    '/@:uniqueId/live',
    '/sdk/webmssdk.js',
    '/sdk/live.js',
    '/api-live/user/room',
    '/webcast/room/info',
    '/webcast/room/check_alive',
    '/webcast/gift/list',
    '/webcast/im/fetch',
  ];
  const SOCKETS = ['/webcast/im/ws_proxy/ws_reuse_supplement', '/webcast/im/push/v2'];
  const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'PUT'];
  let simulator: Simulator;

  /** What a caller is by what it sends. */
  const CALLERS: Record<string, Record<string, string>> = {
    program: {},
    'page of another origin': { origin: 'https://page.example', 'access-control-request-method': 'POST' },
    'frame of another site': { 'sec-fetch-site': 'cross-site' },
    'name of a stranger': { host: 'page.example' },
  };
  /** fetch would set these headers itself. Gives the status, and the origin that may read the answer where one may. */
  const answerOf = (method: string, path: string, headers: Record<string, string>) =>
    new Promise<string>((resolve, reject) => {
      const { port } = new URL(simulator.url);
      const asked = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
        answer.resume();
        const readable = Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'));
        answer.once('end', () => resolve([answer.statusCode, ...readable].join(' ')));
      });
      asked.on('error', reject).end();
    });

  beforeAll(async () => {
    simulator = await new Simulator({ rooms: [{ uniqueId: 'mine' }], allowsHost: (host) => host !== 'page.example' }).start();
  });
  afterAll(() => simulator?.stop());

  it('serves the routes that this table declares', () => {
    expect(CONTROL_ROUTES.map(({ method, pattern }) => `${method} ${pattern}`).sort()).toEqual([...CONTROL].sort());
    expect([...TIKTOK_PATHS].sort()).toEqual([...TIKTOK].sort());
    expect([...PUSH_PATHS].sort()).toEqual([...SOCKETS].sort());
  });

  it('takes orders from programs of its own name alone, by every route and method', async () => {
    const patterns = [...new Set(CONTROL.map((route) => route.split(' ')[1]!))];
    const routes = patterns.flatMap((pattern) =>
      METHODS.map((method) => [`${method} ${pattern}`, { method, path: pattern.replace(/:\w+/, 'nobody') }] as const),
    );
    const cells = await fill(routes, Object.keys(CALLERS), ({ method, path }, caller) => answerOf(method, path, CALLERS[caller]!));
    print('Simulator: what each caller gets', cells);
    const ownAnswer = (method: string, path: string) => {
      if (method === 'OPTIONS') return '204';
      const asked = method === 'HEAD' ? 'GET' : method;
      const found = CONTROL.filter((route) => new RegExp(`^${route.replace(/:\w+/, '[^/]+')}$`).test(`${asked} ${path}`));
      if (found.length === 0) return '405';
      if (!found.includes(`${asked} ${path}`)) return '404';
      // Without a body there is nothing to be done; what needs none is done.
      return asked === 'POST' || asked === 'PATCH' ? '400' : '200';
    };
    const expected: Cells = Object.fromEntries(
      routes.map(([name, { method, path }]) => [
        name,
        { program: ownAnswer(method, path), 'page of another origin': '403', 'frame of another site': '403', 'name of a stranger': '421' },
      ]),
    );
    expect(cells).toEqual(expected);
  });

  it('plays TikTok to everybody who calls it by its own name, and lets no page of another origin read that', async () => {
    const routes = TIKTOK.flatMap((pattern) =>
      METHODS.map((method) => [`${method} ${pattern}`, { method, path: pattern.replace(':uniqueId', 'mine') }] as const),
    );
    const cells = await fill(routes, Object.keys(CALLERS), ({ method, path }, caller) => answerOf(method, path, CALLERS[caller]!));
    print('Simulator: what each caller gets of TikTok', cells);
    for (const row of Object.values(cells)) {
      expect(row['name of a stranger']).toBe('421');
      expect(row.program).toMatch(/^\d{3}$/);
      expect([row['page of another origin'], row['frame of another site']]).toEqual([row.program, row.program]);
    }
  });
});
