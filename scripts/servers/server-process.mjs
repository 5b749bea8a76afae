import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { CliError, PortTaken } from './cli-error.mjs';
import { guard } from './guard.mjs';
import { processIdentity } from './process-identity.mjs';

/** What Redis and PostgreSQL write before each message: process, date, level mark. */
const LOG_HEAD = /^(\d+:\w \d+ \w+ \d+ [\d:.]+ [.*#-] |[\d-]+ [\d:.]+ \w+ \[\d+\] )/;

/** One server program on one port with one log file; the same object over restarts. */
export class ServerProcess {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** @type {Promise<void>} */
  #ended = Promise.resolve();
  #expected = false;
  /** @type {((how: string) => void) | undefined} */
  onCrash;

  /** @param {import('./index.d.mts').ServerProcessOptions} options */
  constructor(options) {
    this.options = options;
  }

  get name() {
    return this.options.name;
  }

  /** Process id; 0 when it does not run. */
  get pid() {
    return this.#child?.pid ?? 0;
  }

  /** Starts the program and waits until it answers. @throws CliError when it ends first or stays silent. */
  async start() {
    const { name, command, args, env, ids, logFile, listens, answers, startMsMax, stage, stopSignal, stopMsMax, signal } = this.options;
    if (existsSync(logFile)) renameSync(logFile, `${logFile}.old`);
    const log = openSync(logFile, 'a', 0o600);
    // A group of its own: the terminal's Ctrl-C must not reach it before its clients have stopped.
    const child = spawn(command, args(), { ...ids, env: env ?? process.env, detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child = child;
    this.#expected = false;
    let ended = '';
    this.#ended = new Promise((resolve) => {
      const end = (/** @type {string} */ how) => {
        ended = how;
        if (child.pid) guard.forget(child.pid);
        if (this.#child === child) this.#child = undefined;
        resolve();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `code ${code}`));
    });
    if (child.pid) {
      const identity = processIdentity(child.pid);
      if (identity) {
        const record = { name, pid: child.pid, identity, stage, stopSignal, stopMsMax };
        guard.watch(record);
        this.options.onStart?.(record);
      }
    }
    // Whoever answers on the port may be somebody else: no password leaves before this child has said that it listens there.
    const ready = async () => listens(child.pid ?? 0) && (await answers());
    for (const deadline = Date.now() + startMsMax; !(await ready()); await wait(20)) {
      if (ended) {
        const Kind = /address already in use/i.test(readFileSync(logFile, 'utf8')) ? PortTaken : CliError;
        throw new Kind(`${name} ended at start (${ended}): ${this.lastWords()}`);
      }
      if (Date.now() > deadline || signal?.aborted) {
        await this.kill9();
        const why = signal?.aborted ? 'was told to stop while it started' : `did not answer within ${startMsMax / 1000} s`;
        throw new CliError(`${name} ${why}: ${this.lastWords()}`);
      }
    }
    void this.#ended.then(() => {
      if (!this.#expected) this.onCrash?.(ended);
    });
  }

  /** The last telling line of its log. */
  lastWords() {
    const lines = readFileSync(this.options.logFile, 'utf8').trim().split('\n');
    const telling = lines.filter((text) => !text.includes('WARNING'));
    const line = telling.findLast((text) => /error|fatal|panic|can't|cannot|could not|failed/i.test(text)) ?? telling.at(-1) ?? '';
    const words = line.replace(LOG_HEAD, '').trim().slice(0, 400) || 'it said nothing';
    return `${words} [log: ${this.options.logFile}]`;
  }

  /** Stops it in order: its own signal, SIGKILL when that takes too long. */
  async stop() {
    this.#expected = true;
    const child = this.#child;
    if (!child) return;
    child.kill(this.options.stopSignal);
    const timer = setTimeout(() => child.kill('SIGKILL'), this.options.stopMsMax);
    await this.#ended;
    clearTimeout(timer);
  }

  /** Kills it as a power cut would. */
  async kill9() {
    this.#expected = true;
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  /** Starts it again on the same port and folder, in order when it still runs. */
  async restart() {
    await this.stop();
    await this.start();
  }

  /** Freezes it: connections stay open and nothing answers. */
  sigstop() {
    this.#child?.kill('SIGSTOP');
  }

  sigcont() {
    this.#child?.kill('SIGCONT');
  }
}

/** A port on 127.0.0.1 that was free a moment ago. @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
}

/**
 * Whether a port answers `text` with `want` within a second.
 * @param {number} port
 * @param {string} text
 * @param {string} want
 * @returns {Promise<boolean>}
 */
export function answers(port, text, want) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1_000 }, () => socket.write(text));
    let answer = '';
    const end = () => {
      socket.destroy();
      resolve(answer.includes(want));
    };
    socket.on('data', (bytes) => {
      answer += String(bytes);
      if (answer.includes(want) || answer.startsWith('-')) end();
    });
    for (const event of ['error', 'timeout', 'close']) socket.once(event, end);
  });
}
