import { writeFileSync } from 'node:fs';

/** Leaves the counts of a run in the file TRIBUTARY_TEST_COUNTS. */
export default class CountReporter {
  /**
   * @param {Set<unknown>} _contexts
   * @param {Record<'numPassedTests' | 'numFailedTests' | 'numRuntimeErrorTestSuites' | 'numPendingTests' | 'numTodoTests', number>} results
   */
  onRunComplete(_contexts, results) {
    const file = process.env.TRIBUTARY_TEST_COUNTS;
    if (!file) return;
    const counts = {
      passed: results.numPassedTests,
      // A suite that could not even be loaded has failed, though it has no test to count.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    writeFileSync(file, JSON.stringify(counts));
  }
}
