import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from './servers/fault.mjs';
import { Client, reason, Refused } from './stack/client.mjs';
import { paths } from './stack/folder.mjs';
import { describe } from './tail-lines.mjs';
import { paint, printFailure, seconds } from './terminal.mjs';

const USAGE = `npm run tail [-- @name ...] [--type TYPES] [--json]
  prints live events as readable lines, of all creators or of those named, until Ctrl-C
  --type   event types, e.g. tiktok.live.gift,tiktok.live.chat or monitor.*
  --json   each event as one line of JSON
  API_URL (default http://127.0.0.1:3000) and API_KEY (default: .tributary/api-key) name another system
`;
const RETRY_MS = { first: 500, max: 10_000 };

/** @param {string[]} args */
function readArguments(args) {
  const options = { names: /** @type {string[]} */ ([]), type: '', json: false };
  for (let at = 0; at < args.length; at++) {
    const arg = args[at];
    if (arg === '--json') options.json = true;
    else if (arg === '--type' || arg.startsWith('--type=')) options.type = arg.includes('=') ? arg.slice(7) : (args[++at] ?? '');
    else if (arg === '--help' || arg === '-h') {
      process.stdout.write(USAGE);
      process.exit(0);
    } else if (arg.startsWith('-')) throw new Fault(`unknown option ${arg}\n${USAGE}`);
    else options.names.push(arg.replace(/^@/, ''));
  }
  return options;
}

function client() {
  const key = process.env.API_KEY ?? (existsSync(paths.apiKey) ? readFileSync(paths.apiKey, 'utf8').trim() : '');
  if (!key) throw new Fault('no API key: start the system with "npm start" first, or set API_KEY.');
  return new Client((process.env.API_URL ?? `http://127.0.0.1:${process.env.API_PORT || 3000}`).replace(/\/$/, ''), key);
}

/**
 * @param {ReturnType<typeof readArguments>} options
 * @param {AbortSignal} signal
 */
async function follow({ names, type, json }, signal) {
  const api = client();
  const query = new URLSearchParams();
  if (names.length > 0) query.set('creator', names.join(','));
  if (type) query.set('type', type);
  const note = (/** @type {string} */ text) => process.stderr.write(`${paint('dim', text)}\n`);
  let cursor = '';
  for (let delayMs = RETRY_MS.first; !signal.aborted; delayMs = Math.min(delayMs * 2, RETRY_MS.max)) {
    let why = 'the server ended the stream';
    try {
      for await (const { id, event, data } of api.stream({ query, cursor, signal })) {
        delayMs = RETRY_MS.first;
        const body = JSON.parse(data);
        cursor = id || body.position || cursor;
        if (event === 'hello') {
          if (body.recovered === false && cursor) note('the position could not be honoured: events in between are in GET /v1/events');
          else note(`following ${names.length > 0 ? names.map((name) => `@${name}`).join(', ') : 'all creators'}`);
        } else if (event === 'closed') why = `the server ended the stream: ${body.reason}`;
        else if (event !== 'position') process.stdout.write(json ? `${data}\n` : `${describe(body)}\n`);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status < 500 && error.status !== 429)
        throw new Fault(`the API refused the stream: ${error.message}`);
      why = reason(error);
    }
    note(`${why}; trying again in ${seconds(delayMs)}`);
    await wait(delayMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {});
  }
}

const stopping = new AbortController();
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(signal, () => stopping.abort());
// `npm run tail | head` closes the pipe: that is an end like Ctrl-C.
process.stdout.on('error', () => stopping.abort());
try {
  await follow(readArguments(process.argv.slice(2)), stopping.signal);
  process.exit(0);
} catch (error) {
  process.exit(printFailure(error));
}
