import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { CliError } from './servers/cli-error.mjs';
import { guard } from './servers/guard.mjs';
import { processIdentity } from './servers/process-identity.mjs';
import { root } from './servers/project.mjs';

const LINE_CHARS_MAX = 400;
const STOP_MS_MAX = 2_000;

/**
 * Runs a step to its end, its output in a log file.
 * @param {{ title: string, command: string, args: string[], logFile: string, signal?: AbortSignal }} step
 * @throws CliError with the most telling line of its output
 */
export async function runStep({ title, command, args, logFile, signal }) {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'w', 0o600);
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', log, log] });
  closeSync(log);
  const identity = child.pid && processIdentity(child.pid);
  if (child.pid && identity)
    guard.watch({ name: title, pid: child.pid, identity, stage: 0, stopSignal: 'SIGTERM', stopMsMax: STOP_MS_MAX });
  const end = () => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX).unref();
  };
  signal?.addEventListener('abort', end, { once: true });
  const how = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, killedBy) => resolve(code === 0 ? '' : (killedBy ?? `code ${code}`)));
  });
  signal?.removeEventListener('abort', end);
  if (child.pid) guard.forget(child.pid);
  if (how !== '')
    throw new CliError(`${title} failed (${how}): ${tellingLine(readFileSync(logFile, 'utf8'))} [all of it: ${relative(root, logFile)}]`);
}

/** @param {string} output */
function tellingLine(output) {
  const lines = output
    .split('\n')
    .map((line) => line.replace(/^npm error/, '').trim())
    .filter(Boolean);
  // npm gives its code first and the sentence after it.
  const code = lines.findIndex((line) => /^code E\w+$/.test(line));
  if (code !== -1)
    return lines
      .slice(code, code + 2)
      .join(': ')
      .slice(0, LINE_CHARS_MAX);
  return (lines.find((line) => /error|fatal|cannot/i.test(line)) ?? lines.at(-1) ?? 'it said nothing').slice(0, LINE_CHARS_MAX);
}
