import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { processIdentity } from './process-identity.mjs';

/** @type {import('node:child_process').ChildProcess | undefined} */
let reaper;

function open() {
  if (!reaper) {
    reaper = spawn(process.execPath, [fileURLToPath(new URL('./orphan-reaper.mjs', import.meta.url))], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env.PATH },
    });
    // An orphan reaper that was killed only takes the second line of defence away: pid records remain.
    reaper.on('error', () => {});
    reaper.stdin?.on('error', () => {});
    reaper.unref();
    /** @type {import('node:net').Socket} */ (reaper.stdin).unref();
  }
  return reaper;
}

/** @param {object} order */
const send = (order) => open().stdin?.write(`${JSON.stringify(order)}\n`);

/** The processes and files that must not outlive this process, however it ends; see orphan-reaper.mjs. */
export const guard = {
  /** @param {import('./index.d.mts').ProcessRecord} record */
  watch: (record) => send({ watch: record }),
  /** @param {number} pid */
  forget: (pid) => send({ forget: pid }),
  /** A file or folder to delete should this process die. @param {string} path */
  removeAtDeath: (path) => send({ remove: path }),
  /** @param {string} path */
  keepAtDeath: (path) => send({ keep: path }),
  /** Ends the orphan reaper when nothing is left to guard, so that it is gone before this process is. */
  dismiss: async () => {
    const leaving = reaper;
    reaper = undefined;
    if (!leaving || leaving.exitCode !== null) return;
    const gone = new Promise((resolve) => leaving.once('exit', resolve));
    leaving.ref();
    leaving.stdin?.end();
    await gone;
  },
  /** The orphan reaper itself, for whoever wants to wait until it has done its work. */
  reaper: () => {
    const pid = open().pid ?? 0;
    return { pid, identity: processIdentity(pid) ?? '' };
  },
};
