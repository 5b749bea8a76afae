import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** @type {import('node:child_process').ChildProcess | undefined} */
let warden;

/** @param {object} order */
function tell(order) {
  if (!warden) {
    warden = spawn(process.execPath, [fileURLToPath(new URL('./warden.mjs', import.meta.url))], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env.PATH },
    });
    // A warden that was killed only takes the second line of defence away: pid records remain.
    warden.on('error', () => {});
    warden.stdin?.on('error', () => {});
    warden.unref();
    /** @type {import('node:net').Socket} */ (warden.stdin).unref();
  }
  warden.stdin?.write(`${JSON.stringify(order)}\n`);
}

/** The processes and files that must not outlive this process, however it ends; see warden.mjs. */
export const guard = {
  /** @param {import('./index.d.mts').ProcessRecord} record */
  watch: (record) => tell({ watch: record }),
  /** @param {number} pid */
  forget: (pid) => tell({ forget: pid }),
  /** A file or folder to delete should this process die. @param {string} path */
  removeAtDeath: (path) => tell({ remove: path }),
  /** @param {string} path */
  keepAtDeath: (path) => tell({ keep: path }),
};
