import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { CliError } from '../servers/cli-error.mjs';
import { guard } from '../servers/guard.mjs';
import { processIdentity } from '../servers/process-identity.mjs';
import { nodeFlags, root } from '../servers/project.mjs';
import { seconds } from '../terminal.mjs';
import { recordProcess } from './folder.mjs';
import { printLine, printStream } from './log-lines.mjs';

const READY_MS_MAX = 60_000;
const SAY_EVERY_MS = 5_000;
const BACKOFF_MS = { first: 500, max: 30_000 };
/** A process that stayed up this long starts again with the first delay. */
const STABLE_MS = 60_000;

/** One process of the system: started, watched, started again when it ends by itself. */
export class AppProcess {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** @type {Promise<void>} */
  #ended = Promise.resolve();
  #wanted = false;
  /** It has been ready once: from then on an end is a crash, before it the start has failed. */
  #started = false;
  /** The running child has said, over its own channel, that it listens: whoever answers on its port is it. */
  #listens = false;
  #failures = 0;
  #lastError = '';
  #how = '';
  /** @type {NodeJS.Timeout | undefined} */
  #restart;

  /** @param {{ name: string, readyUrl: string, env: NodeJS.ProcessEnv, signal: AbortSignal, stage: number, stopMsMax: number }} options */
  constructor(options) {
    this.options = options;
  }

  /** Starts it and waits until it is ready. @throws CliError with its own last error when it ends or stays unready */
  async start() {
    const { name } = this.options;
    this.#wanted = true;
    this.#spawn();
    const deadline = Date.now() + READY_MS_MAX;
    for (let sayAt = Date.now() + SAY_EVERY_MS; ; await wait(50)) {
      this.options.signal.throwIfAborted();
      const state = await this.#readiness();
      if (state === 'ready') {
        this.#started = true;
        return;
      }
      const unready = this.#child
        ? Date.now() > deadline && `was not ready within ${seconds(READY_MS_MAX)}`
        : `ended at start (${this.#how})`;
      if (Date.now() > sayAt) {
        printLine('tributary', `waiting for ${name}${state ? `: ${state}` : ' to answer'}`);
        sayAt = Date.now() + SAY_EVERY_MS;
      }
      if (!unready) continue;
      this.#wanted = false;
      clearTimeout(this.#restart);
      throw new CliError(`${name} ${unready}: ${this.#lastError || state || 'it said nothing'}`);
    }
  }

  #spawn() {
    const { name, env, stage, stopMsMax } = this.options;
    const startedAt = Date.now();
    // A group of its own: Ctrl-C reaches the supervisor alone, which stops the processes in their order.
    const child = spawn(process.execPath, [...nodeFlags(name), `dist/apps/${name}/src/main.js`], {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#listens = false;
    child.on('message', (message) => {
      if (message === 'listening' && this.#child === child) this.#listens = true;
    });
    this.#lastError = '';
    const note = (/** @type {import('./log-lines.mjs').LogLine} */ line) => {
      if (line.level >= 50) this.#lastError = line.text;
    };
    if (child.stdout) printStream(name, child.stdout, note);
    if (child.stderr)
      printStream(name, child.stderr, (line) => {
        if (/error/i.test(line.text)) this.#lastError = line.text;
      });
    if (child.pid) {
      const record = {
        name,
        pid: child.pid,
        identity: processIdentity(child.pid) ?? '',
        stage,
        stopSignal: /** @type {const} */ ('SIGTERM'),
        stopMsMax,
      };
      guard.watch(record);
      recordProcess(record);
    }
    this.#ended = new Promise((resolve) => {
      const end = (/** @type {string} */ how) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#how = how;
        if (child.pid) guard.forget(child.pid);
        resolve();
        if (this.#wanted && this.#started) this.#again(startedAt);
      };
      child.once('error', (error) => end(error.message));
      child.once('close', (code, signal) => end(signal ?? `code ${code}`));
    });
  }

  /** @param {number} startedAt */
  #again(startedAt) {
    this.#failures = Date.now() - startedAt > STABLE_MS ? 1 : this.#failures + 1;
    const delayMs = Math.min(BACKOFF_MS.max, BACKOFF_MS.first * 2 ** (this.#failures - 1)) * (0.75 + Math.random() / 2);
    printLine('tributary', `${this.options.name} ended by itself (${this.#how}); starting it again in ${seconds(delayMs)}`);
    this.#restart = setTimeout(() => this.#spawn(), delayMs);
  }

  /** @returns {Promise<string>} `ready`, or what is missing */
  async #readiness() {
    if (!this.#listens) return '';
    try {
      const response = await fetch(this.options.readyUrl, { signal: AbortSignal.timeout(2_000) });
      if (response.ok) return 'ready';
      const { checks } = /** @type {{ checks?: Record<string, string> }} */ (await response.json());
      const failing = Object.entries(checks ?? {}).filter(([, state]) => state !== 'ok');
      return failing.map(([check, state]) => `${check}: ${state}`).join('; ');
    } catch {
      return ''; // it does not listen yet
    }
  }

  async stop() {
    this.#wanted = false;
    clearTimeout(this.#restart);
    const child = this.#child;
    if (!child) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => {
      printLine('tributary', `${this.options.name} did not stop within ${seconds(this.options.stopMsMax)}; it is killed`);
      child.kill('SIGKILL');
    }, this.options.stopMsMax);
    await this.#ended;
    clearTimeout(timer);
  }

  kill() {
    this.#wanted = false;
    clearTimeout(this.#restart);
    this.#child?.kill('SIGKILL');
  }
}
