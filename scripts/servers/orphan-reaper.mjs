// The orphan reaper outlives its owner by a moment: when the owner dies without having stopped its processes (kill -9),
// the pipe on standard input closes and the orphan reaper stops them, stage by stage. Usage: node orphan-reaper.mjs < lines of JSON.
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { stopRecorded } from './stop-recorded.mjs';

/** @type {Map<number, import('./index.d.mts').ProcessRecord>} */
const processes = new Map();
/** @type {Set<string>} */
const leftovers = new Set();

// The terminal's signals reach the whole group; the orphan reaper is the one that must stay.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => {});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const order = JSON.parse(line);
  if (order.watch) processes.set(order.watch.pid, order.watch);
  if (order.forget) processes.delete(order.forget);
  if (order.remove) leftovers.add(order.remove);
  if (order.keep) leftovers.delete(order.keep);
});
lines.on('close', () => {
  void stopRecorded([...processes.values()]).then(() => {
    for (const path of leftovers) rmSync(path, { recursive: true, force: true });
    process.exit(0);
  });
});
