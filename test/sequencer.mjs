/**
 * The order of the specs: long ones first, and those that mostly wait beside those that mostly work, so that neither leaves a core idle
 * nor slows the other. The rest follow, the largest first.
 */
const FIRST = [
  'apps/ingest/src/handover/handover.int-spec.ts',
  'test/command-lines.e2e-spec.ts',
  'test/start-edges.e2e-spec.ts',
  'test/fuzz/fuzz.e2e-spec.ts',
  'apps/ingest/src/worker.int-spec.ts',
  'apps/api/src/store/query-plans.int-spec.ts',
  'apps/ingest/src/spool.int-spec.ts',
  'apps/api/src/store/pool/fair-pool.int-spec.ts',
  'libs/log/src/spool/spool-takeover.int-spec.ts',
  'test/start.e2e-spec.ts',
  'libs/log/src/spool/spool-replay.int-spec.ts',
  'test/pipeline.e2e-spec.ts',
  'libs/log/src/spool/spool.int-spec.ts',
  'test/creators.e2e-spec.ts',
  'apps/ingest/src/session/session-options.int-spec.ts',
  'apps/api/src/filter/filter-equality.int-spec.ts',
  'apps/api/src/store/writer/stranded.int-spec.ts',
  'apps/api/src/store/retention/many-days.int-spec.ts',
  'libs/creators/src/leases/lease-manager.int-spec.ts',
  'apps/api/src/access/shared-limits.int-spec.ts',
  'libs/creators/src/handover/handover-offers.int-spec.ts',
  'apps/signer/src/failover/failover.int-spec.ts',
];

/** What jest asks of a sequencer; its own needs a package that this project does not have by name. */
export default class Sequencer {
  /** @param {{ path: string, context: { rootDir?: string, config: { rootDir: string }, hasteFS: { getSize(path: string): number | null } } }[]} tests */
  sort(tests) {
    const known = tests.map((test) => {
      const { config, hasteFS } = test.context;
      const at = FIRST.indexOf(test.path.slice(config.rootDir.length + 1));
      return { test, at: at === -1 ? FIRST.length : at, size: hasteFS.getSize(test.path) ?? 0 };
    });
    return known.sort((one, other) => one.at - other.at || other.size - one.size).map(({ test }) => test);
  }

  cacheResults() {
    // Nothing is learnt: the order is the same on every machine.
  }
}
