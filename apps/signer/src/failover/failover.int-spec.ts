import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpSigner } from '@tributary/signing';
import { Simulator, table, waitFor } from '@tributary/testing';
import { ScriptedUpstream, type UpstreamFault } from '../testing/scripted-upstream.js';
import { type RunningSigner, startSigner } from '../testing/start-signer.js';
import type { ProviderReport } from './provider-chain.js';

const BUDGET_MS = 8_000;
const TIMEOUT_MS = 1_500;
const rows: Record<string, string | number>[] = [];

describe('failover: the first provider fails, the second serves', () => {
  let simulator: Simulator;
  let remote: ScriptedUpstream;
  let signer: RunningSigner;
  let rooms = 0;

  beforeAll(async () => {
    simulator = await new Simulator().start();
  });
  beforeEach(async () => {
    remote = await new ScriptedUpstream().start();
    signer = await startSigner({
      signProviders: ['remote', 'anonymous'],
      remoteSignUrl: remote.url,
      tiktokWebUrl: simulator.url,
      tiktokWebcastUrl: simulator.url,
      tiktokSocketUrl: simulator.socketUrl,
      signBudgetMs: BUDGET_MS,
      signTimeoutMs: TIMEOUT_MS,
    });
  });
  afterEach(async () => {
    await signer.stop();
    await remote.stop();
  });
  afterAll(async () => {
    await simulator.stop();
    process.stdout.write(`\nfailover (budget ${BUDGET_MS} ms, ${TIMEOUT_MS} ms for one provider)\n${table(rows)}\n\n`);
  });

  /** One connect to a room that was not asked for before: who served it, and how long it took. */
  const connect = async (): Promise<{ by: string; ms: number }> => {
    const startedAt = performance.now();
    const roomId = String(7_540_589_352_000 + ++rooms);
    const result = await new HttpSigner({ url: signer.url }).fetchBundle({ roomId }, new AbortController().signal);
    return { by: result.ok ? result.bundle.provider : result.message, ms: Math.round(performance.now() - startedAt) };
  };
  const state = async () => {
    const { data } = (await (await fetch(`${signer.url}/v1/providers`)).json()) as { data: ProviderReport[] };
    const first = data.find(({ name }) => name === 'remote')?.operations.connect;
    if (!first) throw new Error('the first provider is not reported');
    return first;
  };
  const untilState = (wanted: string) => waitFor(async () => (await state()).breaker.state === wanted, { what: `breaker ${wanted}` });

  it.each([
    ['an empty 200', 'empty-body', 'empty-body'],
    ['an empty cursor', 'empty-cursor', 'empty-cursor'],
    ['no cookie', 'missing-cookie', 'missing-cookie'],
    ['a hang', 'hang', 'timeout'],
    ['a 403', 'http-403', 'http-403'],
    ['a 500', 'http-500', 'http-5xx'],
    ['a crash', 'crash', 'connect'],
    ['a captcha page', 'garbage', 'bad-answer'],
  ] as [string, UpstreamFault, string][])(
    'answers %s within the budget, opens the breaker, probes and closes it',
    async (what, fault, reason) => {
      expect((await connect()).by).toBe('remote');
      remote.fault = fault;
      const served = [];
      for (let i = 0; i < 5; i++) served.push(await connect());
      expect(new Set(served.map(({ by }) => by))).toEqual(new Set(['anonymous']));
      const slowest = Math.max(...served.map(({ ms }) => ms));
      expect(slowest).toBeLessThan(BUDGET_MS);
      const opened = await state();
      expect(opened).toMatchObject({ breaker: { state: 'open', reason }, failures: { [reason]: 5 } });

      remote.seen.length = 0;
      const resting = await connect();
      expect([resting.by, remote.seen.length]).toEqual(['anonymous', 0]);

      await untilState('half-open');
      expect((await connect()).by).toBe('anonymous');
      const reopened = await state();
      expect([reopened.breaker.state, remote.seen.length]).toEqual(['open', 1]);

      remote.fault = undefined;
      await untilState('half-open');
      expect((await connect()).by).toBe('remote');
      expect((await state()).breaker.state).toBe('closed');
      rows.push({
        'first provider': what,
        'client gets': 'a bundle',
        by: 'anonymous',
        'slowest ms': slowest,
        'reason recorded': reason,
        'opens after': 5,
        'ms while open': resting.ms,
        'failed probe': 'opens again',
        'after healing': 'closed by a probe',
      });
    },
  );
});
