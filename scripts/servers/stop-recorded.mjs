import { setTimeout as wait } from 'node:timers/promises';
import { stillRuns } from './process-identity.mjs';

/**
 * Stops processes by record, lowest stage first, each stage together: its own signal, then SIGKILL after its time.
 * A record whose process has ended, or whose number now belongs to another process, is left alone.
 * @param {import('./index.d.mts').ProcessRecord[]} records
 * @returns {Promise<import('./index.d.mts').ProcessRecord[]>} those that were still running
 */
export async function stopRecorded(records) {
  const running = records.filter(stillRuns);
  const stages = [...new Set(running.map((record) => record.stage))].sort((a, b) => a - b);
  for (const stage of stages) {
    const group = running.filter((record) => record.stage === stage);
    for (const record of group) signal(record, record.stopSignal);
    for (let waitedMs = 0; group.some(stillRuns); waitedMs += 50) {
      for (const record of group) if (waitedMs >= record.stopMsMax && stillRuns(record)) signal(record, 'SIGKILL');
      await wait(50);
    }
  }
  return running;
}

/**
 * @param {import('./index.d.mts').ProcessRecord} record
 * @param {NodeJS.Signals} name
 */
function signal(record, name) {
  try {
    process.kill(record.pid, name);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}
