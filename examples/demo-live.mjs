// An existing tiktok-live-connector script with one line more: useLocalSigner sends its sign requests to a signer of one's own.
//   node examples/demo-live.mjs --simulator
//   node examples/demo-live.mjs NAME
import { TikTokLiveConnection } from 'tiktok-live-connector';
import { readArguments } from './parts/arguments.mjs';
import { built, openServers } from './parts/servers.mjs';

const about = readArguments('demo-live.mjs');
const servers = await openServers(about);
/** @type {typeof import('@tributary/signing')} */
const { useLocalSigner } = await built('libs/signing/src/index.js');
useLocalSigner(servers.signerUrl, { apiKey: servers.apiKey });

// The library's types leave out that a connection is an emitter.
const connection = /** @type {TikTokLiveConnection & import('node:events').EventEmitter} */ (
  new TikTokLiveConnection(servers.name, { ...servers.connectorOptions, processInitialData: false })
);
/** @param {string} text */
const say = (text) => process.stdout.write(`${text}\n`);

connection.on('connected', (state) => say(`connected to room ${state.roomId} of @${servers.name}, signed for by ${servers.signerUrl}`));
connection.on('roomUser', (data) => say(`viewers  ${data.total}`));
connection.on('chat', (data) => say(`chat     ${data.user?.nickname}: ${data.content}`));
connection.on('member', (data) => say(`join     ${data.user?.nickname}`));
connection.on('gift', (data) => say(`gift     ${data.user?.nickname}: ${data.repeatCount} x ${data.gift?.name ?? data.giftId}`));
connection.on('streamEnd', () => say('the live has ended'));
connection.on('disconnected', () => void end(0));

let ended = false;
/** @param {number} code */
async function end(code) {
  if (ended) return;
  ended = true;
  await connection.disconnect();
  await servers.close();
  process.exit(code);
}
process.once('SIGINT', () => void end(0));
// Whoever reads this has gone (`| head`).
process.stdout.on('error', () => void end(0));
if (about.seconds !== undefined) setTimeout(() => void end(0), about.seconds * 1000);

try {
  await connection.connect();
} catch (error) {
  process.stderr.write(`cannot connect to @${servers.name}: ${error instanceof Error ? error.message : String(error)}\n`);
  await end(1);
}
