import { join } from 'node:path';
import { hashKey, createRedis, KeyProjection, type Logger, newKey, waitForRedis } from '@tributary/runtime';
import { callJson, finish, freePorts, machine, random, readOptions, type SimulatorStats, startRedis, table } from '@tributary/testing';
import { load, type LoadResult } from './signer/load.js';
import { measurePages, type PagesResult } from './signer/pages.js';
import { Measured } from './signer/process.js';

/**
 * Connects by the signer: from its cache, made anew each time, and a thousand equal ones at once, beside a bare Fastify route
 * that returns the same bytes in the same run. Every server is a process of its own; the load comes from this one.
 */
interface Row extends LoadResult {
  what: string;
  /** CPU time of the server per request, in µs. */
  cpuMicros: number;
}

const CONNECTIONS = 16;
const ROUNDS = 5;
const SHARE_OF_BARE_MIN = 0.6;
const EQUAL = 1_000;
const EQUAL_ROUNDS = 5;
const AGENT = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36';
/** What client 2.5.0 sends. */
const QUERY = new URLSearchParams({
  client: 'ttlive-node',
  cursor: '',
  user_agent: AGENT,
  client_enter: 'true',
  platform: 'web',
}).toString();
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

const options = readOptions({
  command: 'npm run bench -- signer',
  about: 'connects by the signer, cached, made anew and a thousand equal ones at once, beside a bare route that returns the same bytes',
  seconds: 24,
});
const draw = random(options.seed);
const dist = join(process.cwd(), 'dist');
const undo: (() => Promise<unknown>)[] = [];

/** The middle run of several, by requests per second. */
function middle(runs: Row[]): Row {
  return [...runs].sort((a, b) => a.perSecond - b.perSecond)[Math.floor(runs.length / 2)] as Row;
}

/** Requests per second beside those of the bare route in the same round, the middle of all rounds, in %. */
function shareOfBare(runs: Row[], bare: Row[]): number {
  const shares = runs.map((run, round) => run.perSecond / (bare[round]?.perSecond ?? Infinity)).sort((a, b) => a - b);
  return Math.round((shares[Math.floor(shares.length / 2)] ?? 0) * 1000) / 10;
}

async function measured(what: string, server: Measured, run: () => Promise<LoadResult>): Promise<Row> {
  const before = server.cpuSeconds();
  const result = await run();
  const cpuMicros = Math.round(((server.cpuSeconds() - before) * 1e6) / Math.max(1, result.requests));
  return { what, ...result, cpuMicros };
}

try {
  const redis = await startRedis({ appendonly: 'no' });
  undo.push(() => redis.remove());
  const logFile = join(redis.dir, 'processes.log');
  const [simulatorPort = 0, openPort = 0, keyedPort = 0, barePort = 0] = await freePorts(4);
  const url = (port: number) => `http://127.0.0.1:${port}`;
  const start = async (entry: string, env: Record<string, string>, port: number) => {
    const started = await Measured.start(join(dist, entry), env, url(port), '/healthz', logFile);
    undo.push(() => started.stop());
    return started;
  };
  const env = { REDIS_URL: redis.url, LOG_LEVEL: 'info' };
  const simulator = await start(
    'apps/simulator/src/main.js',
    { ...env, SIMULATOR_PORT: String(simulatorPort), SIMULATOR_ROOMS: '0' },
    simulatorPort,
  );
  const rooms = await callJson<{ roomId: string }[]>('POST', `${simulator.url}/sim/rooms/batch`, { count: 20, prefix: 'bench', rate: 4 });
  const signerEnv = {
    ...env,
    SIGN_PROVIDERS: 'simulator',
    TIKTOK_WEB_URL: simulator.url,
    TIKTOK_WEBCAST_URL: simulator.url,
    SIGN_SHARE_MS: '20000',
  };
  const key = newKey();
  const client = createRedis(redis.url, quiet, { name: 'bench' });
  await waitForRedis(client, quiet);
  await new KeyProjection(client, 'keyed').write(new Map([[hashKey(key), { id: 'key_bench', name: 'bench', scopes: ['sign'] }]]), '1');
  client.disconnect();
  const open = await start('apps/signer/src/main.js', { ...signerEnv, SIGNER_PORT: String(openPort), REDIS_PREFIX: 'open' }, openPort);
  const limits = { SIGN_PER_KEY_MINUTE: '100000000', SIGN_PER_KEY_HOUR: '100000000', SIGN_PER_KEY_DAY: '100000000' };
  const keyedEnv = { ...signerEnv, ...limits, SIGNER_PORT: String(keyedPort), REDIS_PREFIX: 'keyed', NODE_ENV: 'production' };
  const keyed = await start('apps/signer/src/main.js', keyedEnv, keyedPort);
  const path = (index: number) => `/webcast/rooms/${rooms[index % rooms.length]?.roomId}/connect?${QUERY}`;
  await (await fetch(open.url + path(0))).arrayBuffer();
  const bare = await start('bench/signer/bare.js', { PORT: String(barePort), FROM: open.url + path(0) }, barePort);
  const upstreamCalls = async () => (await callJson<SimulatorStats>('GET', `${simulator.url}/sim/stats`)).requests['im/fetch'] ?? 0;

  const seconds = Math.max(0.5, options.seconds / 2 / (3 * ROUNDS));
  const same = { path: () => path(0), connections: CONNECTIONS, seconds };
  const kinds: Record<string, () => Promise<Row>> = {
    bare: () => measured('bare Fastify route', bare, () => load({ url: bare.url, ...same })),
    cached: () => measured('cached', open, () => load({ url: open.url, ...same })),
    keyed: () =>
      measured('cached, API key and three limits', keyed, () => load({ url: keyed.url, headers: { 'x-api-key': key }, ...same })),
  };
  for (const server of [bare, open]) await load({ url: server.url, ...same, seconds: 1 });
  await load({ url: keyed.url, headers: { 'x-api-key': key }, ...same, seconds: 1 });
  const runs: Record<string, Row[]> = { bare: [], cached: [], keyed: [] };
  // One after another in each round, in an order that the seed decides, so that other load of the machine affects all alike.
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of Object.keys(kinds).sort(() => draw() - 0.5)) runs[name]?.push(await (kinds[name] as () => Promise<Row>)());
  }
  const [bareRow, cachedRow, keyedRow] = [middle(runs.bare ?? []), middle(runs.cached ?? []), middle(runs.keyed ?? [])];
  const shares = { cached: shareOfBare(runs.cached ?? [], runs.bare ?? []), keyed: shareOfBare(runs.keyed ?? [], runs.bare ?? []) };

  const own = { headers: { 'cache-control': 'no-cache' }, connections: CONNECTIONS, seconds: options.seconds / 4 };
  const uncachedRow = await measured('uncached, by the simulator', open, () => load({ url: open.url, path, ...own }));

  const equalRows: Row[] = [];
  const upstream: number[] = [];
  for (let round = 1; round <= EQUAL_ROUNDS; round++) {
    const before = await upstreamCalls();
    const what = `${EQUAL} equal at once`;
    equalRows.push(await measured(what, open, () => load({ url: open.url, path: () => path(round), connections: EQUAL, requests: EQUAL })));
    upstream.push((await upstreamCalls()) - before);
  }
  const equalRow = middle(equalRows);
  const pages: PagesResult[] | undefined = await measurePages(
    join(dist, 'apps/signer/src/main.js'),
    { ...env, CHROMIUM_SANDBOX: 'false' },
    logFile,
  );

  const rows = [bareRow, cachedRow, keyedRow, uncachedRow, equalRow];
  const failures = [
    ...rows.flatMap(({ what, statuses, requests }) =>
      statuses['200'] === requests ? [] : [`${what}: answers were ${JSON.stringify(statuses)}`],
    ),
    shares.cached >= SHARE_OF_BARE_MIN * 100 ? '' : `cached: ${shares.cached} % of the bare route, the bar is ${SHARE_OF_BARE_MIN * 100} %`,
    upstream.every((calls) => calls === 1) ? '' : `${EQUAL} equal requests made ${upstream.join(', ')} upstream calls, the bar is 1`,
  ].filter(Boolean);
  const lines = rows.map((row) => ({
    connect: row.what,
    requests: row.requests,
    'req/s': row.perSecond,
    'p50 ms': row.p50,
    'p99 ms': row.p99,
    'server CPU µs': row.cpuMicros,
    '% of bare': row === bareRow ? 100 : row === cachedRow ? shares.cached : row === keyedRow ? shares.keyed : '',
    'upstream calls': row === equalRow ? `${upstream.join(', ')} (in ${EQUAL_ROUNDS} rounds)` : '',
  }));
  const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  const browser = pages
    ? table(
        pages.map(({ provider, tabs, baseBytes, bytesPerTab, coldMs, newTabMs, warmMs }) => ({
          Chromium: provider,
          tabs,
          'first tab MiB': mebibytes(baseBytes),
          'MiB per further tab': mebibytes(bytesPerTab),
          'cold start ms': coldMs,
          'new tab ms': newTabMs,
          'warm tab ms': warmMs,
        })),
      )
    : 'skipped: no Chromium';
  const about = `${bareRow.bytesPerAnswer} bytes an answer, ${CONNECTIONS} connections, middle of ${ROUNDS} runs of ${Math.round(seconds * 10) / 10} s`;
  finish(
    options,
    { rows, percentOfBare: shares, upstream, pages: pages ?? 'skipped: no Chromium' },
    `${table(lines)}\n\n${about}\n\n${browser}\n\n${machine()}`,
    failures,
  );
} finally {
  for (const step of undo.reverse()) await step();
}
