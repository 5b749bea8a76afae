// The signer, checked from outside with nothing but LocalSigningProvider and a WebSocket.
//   node examples/test-simple-integration.mjs --simulator
//   node examples/test-simple-integration.mjs NAME
import { ProtoMessageFetchResult, WebcastPushFrame } from 'tiktok-live-proto/v3';
import { gunzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { readArguments } from './parts/arguments.mjs';
import { built, openServers } from './parts/servers.mjs';

const about = readArguments('test-simple-integration.mjs');
const servers = await openServers(about);
/** @type {typeof import('@tributary/signing')} */
const { LocalSigningProvider } = await built('libs/signing/src/index.js');
const receiveMs = (about.seconds ?? 5) * 1000;
/** Messages by their type. @type {Map<string, number>} */
const counts = new Map();
let failures = 0;

/** Runs one step and says how it went. @param {string} title @param {() => Promise<string>} run */
async function step(title, run) {
  try {
    process.stdout.write(`ok    ${title}: ${await run()}\n`);
  } catch (error) {
    failures += 1;
    process.stdout.write(`FAIL  ${title}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

await step('the signer answers', async () => {
  const response = await fetch(`${servers.signerUrl}/healthz`);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return servers.signerUrl;
});

await step('POST /api/eulerstream signs the live page', async () => {
  const response = await fetch(`${servers.signerUrl}/api/eulerstream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(servers.apiKey ? { 'x-api-key': servers.apiKey } : {}) },
    body: JSON.stringify({ url: `https://www.tiktok.com/@${servers.name}/live` }),
  });
  /** @type {{ success: boolean, data: Record<string, string> & { navigator: { browser_platform: string } }, unavailable?: string[], error?: string }} */
  const { success, data, unavailable, error } = JSON.parse(await response.text());
  if (!success) throw new Error(error);
  return `X-Bogus ${data['X-Bogus']}, as ${data.navigator.browser_platform}${unavailable ? `; not given: ${unavailable.join(', ')}` : ''}`;
});

/** @type {WebSocket | undefined} */
let socket;
await step('LocalSigningProvider opens the socket of the room', async () => {
  const provider = new LocalSigningProvider(`${servers.signerUrl}/api`, servers.apiKey ? { apiKey: servers.apiKey } : {});
  const { wsUrl, wsParams, wsHeaders, roomId, provider: by } = await provider.signedWebSocketProvider({ uniqueId: servers.name });
  const opening = new WebSocket(`${wsUrl}?${new URLSearchParams(wsParams)}`, { headers: wsHeaders });
  socket = opening;
  opening.on('message', (data) => read(/** @type {Buffer} */ (data)));
  await new Promise((resolve, reject) => {
    opening.once('open', resolve);
    opening.once('error', reject);
    opening.once('unexpected-response', (_request, response) =>
      reject(new Error(`refused: ${String(response.headers['handshake-msg'] ?? response.statusCode)}`)),
    );
  });
  return `room ${roomId}, by provider ${by}`;
});

await step(`messages arrive within ${receiveMs / 1000} s`, async () => {
  await new Promise((resolve) => setTimeout(resolve, receiveMs));
  if (counts.size === 0) throw new Error('none did');
  return [...counts].map(([method, count]) => `${count} ${method.replace(/^Webcast|Message$/g, '')}`).join(', ');
});

socket?.terminate();
await servers.close();
process.exit(failures === 0 ? 0 : 1);

/** Counts the messages of one frame by their type. @param {Buffer} data */
function read(data) {
  const frame = WebcastPushFrame.decode(data);
  if (frame.payloadType !== 'msg') return;
  const packed = frame.payload[0] === 0x1f && frame.payload[1] === 0x8b;
  const { messages } = ProtoMessageFetchResult.decode(packed ? gunzipSync(frame.payload) : frame.payload);
  for (const { method } of messages) counts.set(method, (counts.get(method) ?? 0) + 1);
}
