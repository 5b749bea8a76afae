import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CursorsTarget, PARSERS } from './cursors/target.js';
import { type FuzzTarget, runCampaign } from './engine/campaign.js';
import { describe as describeFailure } from './engine/run.js';
import { signerRoutes } from '../matrix/signer-routes.js';
import { FramesTarget } from './frames/target.js';
import { type AttackedStack, startAttackedStack } from './http/attacked-stack.js';
import { ProcessTarget, type Protocol } from './http/process-target.js';
import { RestProtocol } from './rest/protocol.js';
import { SIGN_ROUTES } from './sign/routes.js';
import { SignProtocol } from './sign/protocol.js';

const TEST_MS = 300_000;
const HEALTH = new Set(['/healthz', '/readyz', '/metrics']);
const FIXED_SEED = 20_261_126;
/** Drawn anew in each run and printed with a failure, so that the tests see more with each run. */
const FRESH_SEED = randomInt(2 ** 31);

/** Feeds inputs of the fixed seed and of the fresh one; the failures as texts. */
async function failuresOf<I>(target: FuzzTarget<I>, count: number, parallel = 1): Promise<string[]> {
  const failures: string[] = [];
  for (const [seed, inputs] of [
    [FIXED_SEED, count],
    [FRESH_SEED, Math.ceil(count / 2)],
  ] as const) {
    const result = await runCampaign(target, { seed, count: inputs, parallel, restEvery: parallel > 1 ? 250 : undefined, msMax: TEST_MS });
    expect(result.isComplete || result.failures.length > 0).toBe(true);
    failures.push(...result.failures.map((failure) => describeFailure(target.name, failure)));
  }
  return failures;
}

describe(`fuzzing, with the fresh seed ${FRESH_SEED}`, () => {
  it(
    'cursors, ids, secrets and tokens come back as they were written, and are refused by typed errors alone',
    async () => {
      const target = new CursorsTarget();
      expect(await failuresOf(target, 12_000)).toEqual([]);
      // A parser that takes nothing, or everything, was not tested.
      for (const { name } of PARSERS) expect([name, target.counts.get(name)!.taken > 0]).toEqual([name, true]);
    },
    TEST_MS,
  );

  it(
    'changed frames have a typed outcome in bounded time, and the next sound frame is read as ever',
    async () => {
      const target = new FramesTarget();
      expect(await failuresOf(target, 4_000)).toEqual([]);
      const { result, bad, events, undecodable } = target.counts;
      expect(Math.min(result, bad, events, undecodable)).toBeGreaterThan(500);
      expect(target.measures().failures).toEqual([]);
    },
    TEST_MS,
  );

  describe('a running system', () => {
    let attacked: AttackedStack;
    beforeAll(async () => {
      attacked = await startAttackedStack();
    }, TEST_MS);
    afterAll(() => attacked?.stop());

    const attack = async (name: 'rest' | 'sign', protocol: Protocol, count: number) => {
      const { stack } = attacked;
      const target =
        name === 'rest'
          ? new ProcessTarget(name, stack.api, stack.urls.api, protocol)
          : new ProcessTarget(name, stack.signer, stack.urls.signer, protocol);
      try {
        return [...(await failuresOf(target, count, 4)), ...target.measures().failures];
      } finally {
        await target.close();
      }
    };

    it(
      'the API answers hostile requests by its catalog of problems within a second, and its data is unharmed',
      async () => {
        expect(await attack('rest', await RestProtocol.start(attacked), 2_000)).toEqual([]);
      },
      TEST_MS,
    );

    it(
      'the signer answers hostile requests as its clients rely on it, and serves honest ones all the time',
      async () => {
        const paths = new Set(SIGN_ROUTES.map(({ path }) => path));
        const served = Object.keys(signerRoutes('a.b', '1')).map((route) => route.split(' ')[1]!);
        expect(served.filter((path) => !paths.has(path) && !HEALTH.has(path))).toEqual([]);
        expect(await attack('sign', await SignProtocol.start(attacked), 2_000)).toEqual([]);
      },
      TEST_MS,
    );
  });
});
