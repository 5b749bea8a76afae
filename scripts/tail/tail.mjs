import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { readLock } from '../lock.mjs';
import { readArguments as parse } from '../servers/arguments.mjs';
import { CliError } from '../servers/cli-error.mjs';
import { stillRuns } from '../servers/process-identity.mjs';
import { Client, reason, Refused } from '../stack/client.mjs';
import { paths } from '../stack/folder.mjs';
import { describe, describeState } from './tail-lines.mjs';
import { paint, printFailure, seconds } from '../terminal.mjs';

const USAGE = `npm run tail [-- @name ...] [--type TYPES] [--json]
  prints live events as readable lines, of all creators or of those named, until Ctrl-C
  --type   event types, e.g. tiktok.live.gift,tiktok.live.chat or monitor.*
  --json   each event as one line of JSON
  It follows the system that "npm start" runs in this folder; API_URL and API_KEY name another one
`;
/** Creators whose state is told at the start. */
const STATES_MAX = 20;
const RETRY_MS = { first: 500, max: 10_000 };

/**
 * @param {string[]} args
 * @throws CliError for an unknown option, or one without its value
 */
function readArguments(args) {
  const { values, positionals } = parse({
    args,
    allowPositionals: true,
    options: { type: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  return { names: positionals.map((name) => name.replace(/^@/, '')), type: values.type ?? '', json: values.json ?? false };
}

function client() {
  const { API_URL: url, API_KEY: given } = process.env;
  const owner = readLock(paths.lock);
  const own = owner && stillRuns(owner) ? String(owner.address) : undefined;
  const address = url || own || (given ? `http://127.0.0.1:${process.env.API_PORT || 3000}` : undefined);
  if (!address)
    throw new CliError('nothing runs in this folder: start it with "npm start", or name another system with API_URL and API_KEY.');
  // The key of this folder goes to the system of this folder: anywhere else anybody may listen.
  if (address !== own && !given)
    throw new CliError(`API_KEY is not set: ${address} is not the system of this folder, and needs its own key.`);
  const key = given ?? readKey();
  if (!key) throw new CliError('no API key: start the system with "npm start" first, or set API_KEY.');
  return new Client(address.replace(/\/$/, ''), key);
}

/** The key that `npm start` keeps in this folder; empty when there is none. */
const readKey = () => (existsSync(paths.apiKey) ? readFileSync(paths.apiKey, 'utf8').trim() : '');

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
          for (const line of await statesOf(api, names)) note(line);
        } else if (event === 'closed') why = `the server ended the stream: ${body.reason}`;
        else if (event !== 'position') {
          const line = json ? data : describe(body);
          if (line !== undefined) process.stdout.write(`${line}\n`);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status < 500 && error.status !== 429)
        throw new CliError(`the API refused the stream: ${error.message}`);
      why = reason(error);
    }
    note(`${why}; trying again in ${seconds(delayMs)}`);
    await wait(delayMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {});
  }
}

/**
 * How the creators that were named are now: a stream of one that is paused, or not held, stays empty.
 * @param {Client} api
 * @param {string[]} names
 */
async function statesOf(api, names) {
  const answers = await Promise.all(names.slice(0, STATES_MAX).map((name) => api.ask('GET', `/v1/creators/${encodeURIComponent(name)}`)));
  return answers.filter(({ status }) => status === 200).map(({ body }) => describeState(body));
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
