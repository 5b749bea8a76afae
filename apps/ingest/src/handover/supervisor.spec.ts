import { describe, expect, it } from '@jest/globals';
import type { CreatorStatus, Lease } from '@tributary/creators';
import { CreatorSession, type CreatorSessionOptions } from '../session/creator-session.js';
import { Supervisor, type SupervisorOptions } from './supervisor.js';
import { SessionHarness, settle } from '../testing/fakes.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

describe('Supervisor', () => {
  it('publishes the last status of a creator while it still holds the lease, so that it never overwrites the next holder', async () => {
    const harness = new SessionHarness();
    const calls: string[] = [];
    const lease: Lease = { creatorId: 'cr_1', fence: '1000', from: 'new' };
    let size = 0;
    const leases = {
      start: () => undefined,
      stop: async () => undefined,
      get size() {
        return size;
      },
      get: () => (size > 0 ? lease : undefined),
      claim: async () => {
        if (size > 0) return [];
        size = 1;
        return [lease];
      },
      release: async (ids: Iterable<string>) => calls.push(`release ${[...ids].join()}`),
    };
    const statuses = {
      publish: async (all: ReadonlyMap<string, CreatorStatus>) => {
        for (const [id, { worker }] of all) calls.push(`${id} ${worker === undefined ? 'without' : 'with'} a worker`);
      },
    };
    const record = { id: 'cr_1', uniqueId: 'alice', paused: false, options: {} };
    const options: unknown = {
      worker: 'w1',
      capacity: 10,
      leaseTtlMs: 10_000,
      leases,
      projection: { version: async () => '1', read: async () => ({ version: '1', creators: [record] }) },
      statuses,
      run: 'w1-run',
      offers: { take: async () => [] },
      purge: async () => [],
      workers: { heartbeat: async () => undefined, list: async () => [], leave: async () => undefined },
      producer: { drain: async () => true },
      clock: harness.clock,
      standbys: harness.services,
      newSession: (session: CreatorSessionOptions) => new CreatorSession(session, harness.services),
      counters: () => ({ received: 0, decoded: 0, appended: 0, confirmed: 0 }),
      logger: silent,
    };
    const supervisor = new Supervisor(options as SupervisorOptions);
    supervisor.start();
    await settle();
    await harness.clock.advance(2_000);
    await supervisor.stop();
    expect(calls.slice(-2)).toEqual(['cr_1 without a worker', 'release cr_1']);
  });
});
