import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { CliError } from '../servers/cli-error.mjs';
import { paths } from './folder.mjs';
import { writePrivate } from './private-file.mjs';

/**
 * What earlier starts added: so that the simulated creators are never looked for on TikTok, nor real ones in the simulator.
 * @typedef {{ simulated: string[], real: string[], paused: string[] }} Ours
 */

/**
 * Monitors the creators of this start and pauses those of the other kind; one that a person paused stays paused.
 * @param {import('./client.mjs').Client} client
 * @param {'simulated' | 'real'} kind
 * @param {string[]} names
 * @param {(text: string) => void} say
 */
export async function arrangeCreators(client, kind, names, say) {
  const ours = readOurs();
  const added = await addCreators(client, names);
  const invalid = added.filter((item) => item.result === 'invalid');
  if (invalid.length > 0)
    throw new CliError(invalid.map((item) => `"${names[item.index]}" names no TikTok creator: ${item.reason}`).join('; '));

  const other = kind === 'simulated' ? 'real' : 'simulated';
  const own = new Set([...ours[kind], ...added.map((item) => item.id)]);
  const resumed = ours.paused.filter((id) => own.has(id));
  const paused = [];
  for (const id of ours[other].filter((one) => !own.has(one) && !ours.paused.includes(one))) {
    const { body: creator } = await client.ask('GET', `/v1/creators/${id}`);
    if (creator.paused === false && (await patch(client, id, true))) paused.push(id);
  }
  for (const id of resumed) await patch(client, id, false);
  writeOurs({
    ...ours,
    [kind]: [...own],
    paused: [...ours.paused.filter((id) => !own.has(id)), ...paused],
  });
  if (paused.length > 0) say(`Paused ${paused.length} ${other} creators of an earlier start; they go on with the next start of that kind`);
}

/** Creators one request may add. */
const BATCH_MAX = 1_000;

/**
 * @param {import('./client.mjs').Client} client
 * @param {string[]} names any number, none included
 * @returns {Promise<{ index: number, result: string, id: string, reason?: string }[]>}
 */
async function addCreators(client, names) {
  const added = [];
  for (let from = 0; from < names.length; from += BATCH_MAX) {
    const { status, body } = await client.ask('POST', '/v1/creators/batch', { creators: names.slice(from, from + BATCH_MAX) });
    if (status !== 200) throw new CliError(`the creators could not be added: ${status} ${body.detail ?? JSON.stringify(body)}`);
    added.push(...body.data.map((/** @type {any} */ item) => ({ ...item, index: item.index + from })));
  }
  return added;
}

/**
 * @param {import('./client.mjs').Client} client
 * @param {string} id
 * @param {boolean} paused
 */
async function patch(client, id, paused) {
  const { status } = await client.ask('PATCH', `/v1/creators/${id}`, { paused });
  return status === 200;
}

/** @returns {Ours} */
function readOurs() {
  const none = { simulated: [], real: [], paused: [] };
  if (!existsSync(paths.creators)) return none;
  try {
    return { ...none, ...JSON.parse(readFileSync(paths.creators, 'utf8')) };
  } catch {
    throw new CliError(`${paths.creators} is damaged; remove it, and pause by hand what should not be monitored.`);
  }
}

/** @param {Ours} ours */
function writeOurs(ours) {
  writePrivate(paths.creators, `${JSON.stringify(ours)}\n`);
}

/**
 * Names of the creators whose rooms the simulator has.
 * @param {string} address
 * @returns {Promise<string[]>}
 */
export async function simulatedNames(address) {
  const response = await fetch(`${address}/sim/rooms`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new CliError(`the simulator did not list its rooms: ${response.status}`);
  const body = /** @type {any} */ (await response.json());
  return body.map((/** @type {any} */ room) => room.uniqueId);
}

/**
 * Waits for the first event of a creator that reaches a live reader.
 * @param {import('./client.mjs').Client} client
 * @param {AbortSignal} signal
 * @returns {Promise<{ type: string, creator: string, at: number } | undefined>} undefined when aborted
 */
export async function firstEvent(client, signal) {
  while (!signal.aborted) {
    try {
      for await (const { event, data } of client.stream({ query: new URLSearchParams({ type: 'tiktok.live.*' }), signal })) {
        if (event?.startsWith('tiktok.live.')) return { type: event, creator: JSON.parse(data).creator, at: Date.now() };
      }
    } catch {
      // The API restarts, or is not up yet: the line below paces another try.
    }
    await wait(500, undefined, { signal }).catch(() => {});
  }
  return undefined;
}
