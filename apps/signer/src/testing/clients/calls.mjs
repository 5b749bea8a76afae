import { createRequire } from 'node:module';
import { WebSocket } from 'ws';

const require = createRequire(import.meta.url);
const EVENTS = ['chat', 'like', 'member'];

/** @typedef {{ signerUrl: string, simulatorUrl: string, uniqueId: string, roomId: string, userId: string, apiKey: string }} About */
/**
 * A published client, or what it answers. Six versions of three packages are called as their users' scripts call them, inner parts
 * included, for which the packages have no types.
 * @typedef {any} Published
 */
/** @typedef {Record<string, () => Promise<string>>} Calls */

/**
 * What each client calls, by the name of the row in the table. A call resolves with a few words on what it gave, and
 * rejects with whatever the client throws.
 * @param {string} client
 * @param {About} about
 * @returns {Promise<Calls>}
 */
export async function callsOf(client, about) {
  switch (client) {
    case 'connector 1.2.3':
      return connector1(about);
    case 'connector 2.0.3':
      return connector20(about, require('ttlc-2-0'), require('ttlc-2-0/dist/lib/config'));
    case 'connector 2.1.0':
      return connector20(about, require('ttlc-2-1'), require('ttlc-2-1/dist/lib/config'));
    case 'connector 2.5.0':
      return connector25(about, await import('tiktok-live-connector'));
    case 'euler-api-sdk 0.3.0':
      return sdk3(about, await import('@eulerstream/euler-api-sdk'));
    case 'live-api-sdk 0.4.0':
      return sdk4(about, await import('tiktok-live-api-sdk'));
    default:
      throw new Error(`there is no client ${client}`);
  }
}

/** Connects, waits for one event of each kind, and disconnects. @param {Published} connection @param {string} roomId */
async function connected(connection, roomId) {
  const events = Promise.all(EVENTS.map((type) => new Promise((resolve) => connection.once(type, resolve))));
  const state = await connection.connect();
  if (state.roomId !== roomId) throw new Error(`connected to room ${state.roomId}`);
  await events;
  await connection.disconnect();
  return `connected: ${EVENTS.join(', ')}`;
}

/** Setting: `signProviderOptions.host`. It polls by itself and upgrades to the socket of the signed answer. @param {About} about @returns {Calls} */
function connector1({ signerUrl, simulatorUrl, uniqueId, roomId, apiKey }) {
  /** @type {Published} */
  const library = require('ttlc-1');
  const { WebcastPushConnection, signatureProvider } = library;
  /** @type {Published} */
  const config = require('ttlc-1/dist/lib/webcastConfig.js');
  config.TIKTOK_URL_WEB = `${simulatorUrl}/`;
  config.TIKTOK_URL_WEBCAST = `${simulatorUrl}/webcast/`;
  // Two public servers of 2022, asked after any failure.
  signatureProvider.config.signProviderFallbackHosts = [];
  signatureProvider.config.signProviderHost = `${signerUrl}/`;
  const signProviderOptions = { host: `${signerUrl}/`, ...(apiKey ? { params: { apiKey } } : {}) };
  return { connect: () => connected(new WebcastPushConnection(uniqueId, { signProviderOptions, processInitialData: false }), roomId) };
}

/** Settings: the environment variable SIGN_API_URL, and the option `signApiKey` (2.0 forgets SIGN_API_KEY). @param {About} about @param {Published} library @param {Published} config @returns {Calls} */
function connector20({ simulatorUrl, uniqueId, roomId, apiKey }, library, { default: config }) {
  const { host } = new URL(simulatorUrl);
  config.TIKTOK_HOST_WEB = config.TIKTOK_HOST_WEBCAST = host;
  const make = (options = {}) =>
    new library.TikTokLiveConnection(uniqueId, { processInitialData: false, signApiKey: apiKey || null, ...options });
  const signer = () => make().webClient.webSigner;
  return {
    connect: () => connected(make(), roomId),
    'connect by name': () => connected(make({ connectWithUniqueId: true, fetchRoomInfoOnConnect: false }), roomId),
    'sign_url (gift list)': async () => {
      const connection = make();
      const { webClient } = connection;
      webClient.roomId = roomId;
      await webClient.fetchRoomInfoFromHtml({ uniqueId });
      const list = await webClient.getJsonObjectFromWebcastApi('gift/list/', webClient.clientParams, true);
      return `${list.data.gifts.length} gifts`;
    },
    room_id: async () => verdictOf(await make().webClient.fetchRoomIdFromEuler({ uniqueId }), (body) => body.room_id === roomId),
    room_info: async () =>
      verdictOf(await make().webClient.fetchRoomInfoFromEuler({ uniqueId }), (body) => body.data.room_info.id === roomId),
    gift_info: async () =>
      answered(await (signer().webcast.retrieveGiftInfo?.(roomId) ?? none()), (body) => body.response.data.gifts.length > 0),
    rate_limits: async () => answered(await signer().webcast.getRateLimits(), (body) => body.load_shedding.chance === 0),
    chat: async () => String(await make().webClient.sendRoomChatFromEuler({ roomId, content: 'hi', sessionId: 'x', ttTargetIdc: 'y' })),
  };
}

/** Settings: the environment variables SIGN_API_URL and SIGN_API_KEY. @param {About} about @param {Published} library @returns {Calls} */
function connector25({ simulatorUrl, uniqueId, roomId }, library) {
  const { host } = new URL(simulatorUrl);
  /** @param {{ url?: string | URL }} options */
  const toHttp = (options) => {
    if (options.url === undefined) return;
    const url = new URL(options.url);
    if (url.host !== host) return;
    url.protocol = 'http:';
    options.url = url;
  };
  const options = {
    processInitialData: false,
    webConfigOverrides: { TIKTOK_HOST_WEB: host, TIKTOK_HOST_WEBCAST: host },
    webClientOptions: { hooks: { beforeRequest: [toHttp] } },
  };
  const make = (more = {}) => new library.TikTokLiveConnection(uniqueId, { ...options, ...more });
  const withRoom = () => {
    const connection = make();
    connection.webClient.roomId = roomId;
    return { webClient: connection.webClient, apiClient: library.createEulerClient() };
  };
  return {
    connect: () => connected(make(), roomId),
    'sign_url (gift list)': async () => {
      const connection = make();
      connection.webClient.roomId = roomId;
      await connection.fetchRoomId();
      return `${(await connection.fetchAvailableGifts()).length} gifts`;
    },
    room_id: async () =>
      verdictOf(await library.RouteConfig?.fetchRoomIdFromProvider({ ...withRoom(), uniqueId }), (body) => body.room_id === roomId),
    room_info: async () =>
      verdictOf(
        await library.RouteConfig.fetchRoomInfoFromProvider({ ...withRoom(), uniqueId }),
        (body) => body.data.room_info.id === roomId,
      ),
    gifts: async () => verdictOf(await library.fetchRoomGiftsFromEulerRoute(withRoom()), (body) => body.response.page_gifts.length > 0),
    rate_limits: async () => answered(await library.createEulerClient().accounts.getRateLimits(), (body) => body.code === 200),
    chat: async () => String(await library.sendRoomChatFromEulerRoute({ ...withRoom(), content: 'hi' })),
  };
}

/** Settings: `basePath` and `apiKey`. @param {About} about @param {Published} library @returns {Calls} */
function sdk3({ signerUrl, uniqueId, roomId, userId, apiKey }, { default: Client }) {
  const client = new Client({ basePath: signerUrl, ...(apiKey ? { apiKey } : {}) });
  /** @param {unknown[]} args */
  const bundle = (...args) => client.webcast.fetchWebcastURL('sdk', ...args, { responseType: 'arraybuffer' });
  /** @param {number} count */
  const none12 = (count) => Array.from({ length: count }, () => undefined);
  return {
    connect: async () => opened(await bundle(roomId, ...none12(10)), roomId),
    'connect by name': async () => opened(await bundle(undefined, uniqueId, ...none12(9)), roomId),
    'sign_url (gift list)': async () => answered(await client.webcast.signWebcastUrl(toSign(roomId)), signed),
    room_id: async () => answered(await client.webcast.retrieveRoomId(uniqueId), (body) => body.room_id === roomId),
    room_info: async () => answered(await client.premium.retrieveRoomInfo(uniqueId), (body) => body.data.room_info.id === roomId),
    gift_info: async () => answered(await client.webcast.retrieveGiftInfo(roomId), (body) => body.response.data.gifts.length > 0),
    rate_limits: async () => answered(await client.webcast.getRateLimits(), (body) => body.code === 200),
    bulk_live_check: async () =>
      answered(
        await client.premium.retrieveBulkLiveCheck({ user_numeric_ids: [userId] }),
        (body) => body.response.data[userId].room_id === roomId,
      ),
    'jwt/create': async () =>
      answered(await client.authentication.createJWT(1, jwt(uniqueId)), (body) => body.token.split('.').length === 3),
  };
}

/** Settings: `basePath` and `apiKey`. @param {About} about @param {Published} library @returns {Calls} */
function sdk4({ signerUrl, uniqueId, roomId, userId, apiKey }, { default: Client }) {
  const baseOptions = { validateStatus: () => true };
  const client = new Client({ basePath: signerUrl, baseOptions, ...(apiKey ? { apiKey } : {}) });
  const nothing = Array.from({ length: 9 }, () => undefined);
  return {
    connect: async () =>
      opened(await client.rooms.fetchWebcastURL(roomId, 'sdk', undefined, ...nothing, { responseType: 'arraybuffer' }), roomId),
    'sign_url (gift list)': async () => answered(await client.general.signTikTokUrl(toSign(roomId)), signed),
    room_id: async () => answered(await client.anchors.retrieveRoomId(uniqueId), (body) => body.room_id === roomId && body.source),
    room_info: async () => answered(await client.anchors.retrieveRoomInfo(uniqueId), (body) => body.data.room_info.id === roomId),
    gifts: async () => answered(await client.rooms.retrieveRoomGifts(roomId), (body) => body.response.page_gifts.length > 0),
    rate_limits: async () => answered(await client.accounts.getRateLimits(), (body) => body.code === 200),
    bulk_live_check: async () =>
      answered(
        await client.webcast.retrieveBulkLiveCheck({ user_numeric_ids: [userId] }),
        (body) => body.response.data[userId].room_id === roomId,
      ),
    'jwt/create': async () =>
      answered(await client.authentication.createJWT(1, jwt(uniqueId)), (body) => body.token.split('.').length === 3),
  };
}

/** @param {string} roomId */
const toSign = (roomId) => ({
  url: `https://webcast.tiktok.com/webcast/gift/list/?room_id=${roomId}&`,
  method: 'GET',
  userAgent: 'Mozilla/5.0 (SDK)',
});
/** @param {Published} body */
const signed = (body) => Object.keys(body.response.tokens).length > 0 && body.response.signedUrl !== '';
/** @param {string} uniqueId */
const jwt = (uniqueId) => ({ expireAfter: 60, websockets: { allowedCreators: [uniqueId], maxWebSockets: 1 } });

function none() {
  return { status: 200, data: undefined };
}

/** What an API client's answer says, which throws for no status. @param {Published} answer @param {(body: Published) => unknown} check */
function answered({ status, data }, check) {
  if (status === 200 && data === undefined) return '-';
  if (status !== 200) return `status ${status}: ${data?.message === undefined ? 'no message' : 'code and message'}`;
  return verdictOf(data, check);
}

/** @param {Published} body @param {(body: Published) => unknown} check */
function verdictOf(body, check) {
  return check(body) ? 'ok' : `unexpected: ${JSON.stringify(body).slice(0, 200)}`;
}

/** Opens the socket that a bundle leads to, as a program with nothing but the API client would, and waits for its first frame. @param {Published} answer @param {string} roomId */
async function opened({ status, data, headers }, roomId) {
  if (status !== 200) return `status ${status}: ${JSON.parse(Buffer.from(data).toString()).message ? 'code and message' : 'no message'}`;
  const { ProtoMessageFetchResult } = await import('tiktok-live-proto/v3');
  const { cursor, internalExt, pushServer, routeParams } = ProtoMessageFetchResult.decode(Buffer.from(data));
  const query = new URLSearchParams({ room_id: roomId, cursor, internal_ext: internalExt, compress: 'gzip', ...routeParams });
  const socket = new WebSocket(`${pushServer}?${query}`, { headers: { cookie: headers['x-set-tt-cookie'] } });
  await new Promise((resolve, reject) => {
    socket.once('message', resolve);
    socket.once('error', reject);
    socket.once('unexpected-response', (_request, response) => reject(new Error(`refused: ${String(response.headers['handshake-msg'])}`)));
  });
  socket.terminate();
  return 'connected: frames';
}
