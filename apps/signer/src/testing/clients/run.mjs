// Runs one published client, unmodified, in a process of its own, and writes what came of each of its calls as one JSON
// line. Arguments: client, base URL of the signer, of the simulator, creator, its room id, user id, API key or ''.
// The client finds the signer by its documented setting; what points it at the simulator in place of TikTok is not about signing.
import { callsOf } from './calls.mjs';

const [client = '', signerUrl = '', simulatorUrl = '', uniqueId = '', roomId = '', userId = '', apiKey = ''] = process.argv.slice(2);
const TIME_MS_MAX = 15_000;

/** @type {Record<string, string>} */
const results = {};
const calls = await callsOf(client, { signerUrl, simulatorUrl, uniqueId, roomId, userId, apiKey });
for (const [route, call] of Object.entries(calls)) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${TIME_MS_MAX} ms`)), TIME_MS_MAX);
  });
  try {
    results[route] = String(await Promise.race([call(), late]));
  } catch (error) {
    results[route] = named(error);
  } finally {
    clearTimeout(timer);
  }
}
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));

/** The class of an error as the client's users meet it, and how long it tells them to wait. @param {unknown} thrown */
function named(thrown) {
  if (typeof thrown !== 'object' || thrown === null) return `threw ${String(thrown)}`;
  const error = /** @type {{ message?: string, retryAfter?: number }} */ (thrown);
  const name = error.constructor?.name === 'Error' ? `Error: ${error.message}` : error.constructor?.name;
  return error.retryAfter ? `${name} (retry in ${error.retryAfter} ms)` : name;
}
