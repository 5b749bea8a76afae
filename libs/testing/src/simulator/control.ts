/**
 * The control API, `http://HOST:PORT/sim/...`, JSON in and out; bad input is 400 `{message}` that names the field. Requests that
 * a page of another origin makes are 403.
 *
 *   POST   /sim/sign {url, userAgent}          what TikTok's page SDK would do: {signedUrl, userAgent, tokens}
 *   GET    /sim/rooms                          all rooms; `connectedAt` is when the newest open WebSocket was opened, or null
 *   POST   /sim/rooms {uniqueId, nickname?, title?, rate?, live?, gated?, loginNeeded?}
 *   POST   /sim/rooms/batch {count, prefix?, rate?, live?}      opens prefix0001, prefix0002, ...
 *   PATCH  /sim/rooms {rate, prefix?}          all rooms, or those whose handle begins so: {changed}
 *   GET    /sim/rooms/:uniqueId                one room: its numbers, `sent` and `delivered`, for each broadcast
 *   PATCH  /sim/rooms/:uniqueId {live?, end?, rate?, gated?, loginNeeded?, title?, nickname?}   end: false = no streamEnd
 *   DELETE /sim/rooms/:uniqueId   and   DELETE /sim/rooms      one, all
 *   GET    /sim/rooms/:uniqueId/ledger?after=&limit=            NDJSON {n, roomId, msgId, method, at, wire, connections, acked, gift?}
 *   GET    /sim/rooms/:uniqueId/connections    open and past WebSockets
 *   POST   /sim/rooms/:uniqueId/burst {messages, perFrame?}     that many messages of the usual mix now
 *   POST   /sim/faults {kind, uniqueId?, path?, durationMs?, ratePerMinute?, count?, bytes?, compressed?, bytesPerSecond?}
 *   GET    /sim/faults, GET /sim/faults/log, DELETE /sim/faults, DELETE /sim/faults/:id
 *   POST   /sim/replay {uniqueId, payloads: [{method, payloadBase64, msgId?}], rate?, perFrame?, wait?}   -> {id, ...}
 *   GET    /sim/replay/:id                     {total, sent, acked, done}
 *   GET    /sim/stats, GET /healthz
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isForeignPage } from '@tributary/runtime/foreign-page';
import { batchInput, burstInput, faultInput, InputError, ratesInput, replayInput, roomInput, roomPatch, signInput } from './input.js';
import { pathOf, queryOf } from './request.js';
import type { Room } from './room.js';
import type { World } from './world.js';

const BODY_BYTES_MAX = 1_048_576;
const REPLAY_BYTES_MAX = 268_435_456;
/** Ledger lines written to the socket at a time. */
const LEDGER_CHUNK = 500;

interface Reply {
  status?: number;
  body: unknown;
}

class NotFound extends Error {}
class Foreign extends Error {}

/** Whether a path belongs to the control API; all others are TikTok's. */
export function isControl(path: string): boolean {
  return path.startsWith('/sim/') || path === '/healthz';
}

/** Answers a request under `/sim/`. */
export async function handleControl(simulator: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = pathOf(request);
  const query = queryOf(request);
  let reply: Reply;
  try {
    if (isForeignPage(request.headers)) throw new Foreign();
    const ledger = /^\/sim\/rooms\/([^/]+)\/ledger$/.exec(path);
    if (ledger && request.method === 'GET') {
      await sendLedger(roomOf(simulator, ledger[1]), query, response);
      return;
    }
    reply = await route(simulator, `${request.method ?? ''} ${path.replace(/\/$/, '')}`, request);
  } catch (error) {
    if (error instanceof InputError || error instanceof RangeError) reply = { status: 400, body: { message: error.message } };
    else if (error instanceof NotFound) reply = { status: 404, body: { message: error.message } };
    else if (error instanceof Foreign) reply = { status: 403, body: { message: 'pages of other origins may not control the simulator' } };
    else throw error;
  }
  const body = JSON.stringify(reply.body);
  response.writeHead(reply.status ?? 200, {
    'content-type': 'application/json',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

async function route(simulator: World, call: string, request: IncomingMessage): Promise<Reply> {
  const now = Date.now();
  switch (call) {
    case 'POST /sim/sign': {
      const { url, userAgent } = signInput(await readJson(request));
      return { body: simulator.secrets.sign(url, userAgent, now) };
    }
    case 'GET /sim/rooms':
      return { body: [...simulator.rooms()].map(summary) };
    case 'POST /sim/rooms':
      return { status: 201, body: summary(simulator.openRoom(roomInput(await readJson(request)))) };
    case 'POST /sim/rooms/batch': {
      const { count, prefix, ...options } = batchInput(await readJson(request));
      const names = Array.from({ length: count }, (_, index) => `${prefix}${String(index + 1).padStart(4, '0')}`);
      const taken = names.find((name) => simulator.room(name));
      if (taken !== undefined) throw new InputError(`prefix: ${taken} is there already`);
      return { status: 201, body: names.map((uniqueId) => summary(simulator.openRoom({ ...options, uniqueId }))) };
    }
    case 'PATCH /sim/rooms': {
      const { rate, prefix } = ratesInput(await readJson(request));
      const rooms = [...simulator.rooms()].filter(({ uniqueId }) => uniqueId.startsWith(prefix));
      for (const room of rooms) room.setRate(rate, Date.now());
      return { body: { changed: rooms.length } };
    }
    case 'DELETE /sim/rooms': {
      const rooms = [...simulator.rooms()];
      for (const room of rooms) simulator.removeRoom(room);
      return { body: { removed: rooms.length } };
    }
    case 'GET /sim/faults':
      return { body: simulator.faults.list() };
    case 'POST /sim/faults': {
      const spec = faultInput(await readJson(request));
      if (spec.uniqueId !== undefined) spec.uniqueId = roomOf(simulator, spec.uniqueId).uniqueId;
      return { status: 201, body: simulator.fault(spec) };
    }
    case 'DELETE /sim/faults':
      simulator.faults.remove();
      return { body: { removed: true } };
    case 'GET /sim/faults/log':
      return { body: simulator.faults.log() };
    case 'POST /sim/replay': {
      const { wait, ...options } = replayInput(await readJson(request, REPLAY_BYTES_MAX));
      const { id, done } = simulator.replays.start(options);
      if (wait) await done;
      return { status: wait ? 200 : 202, body: simulator.replays.progress(id) };
    }
    case 'GET /healthz':
      return { body: { status: 'ok' } };
    case 'GET /sim/stats':
      return { body: simulator.stats() };
    default:
      return routeOfOne(simulator, call, request);
  }
}

async function routeOfOne(simulator: World, call: string, request: IncomingMessage): Promise<Reply> {
  const [, method, kind, name = '', part] = /^(\w+) \/sim\/(rooms|faults|replay)\/([^/]+)(?:\/(\w+))?$/.exec(call) ?? [];
  if (kind === 'rooms') {
    const room = roomOf(simulator, name);
    if (method === 'GET' && part === undefined) return { body: { ...summary(room), broadcasts: room.broadcasts } };
    if (method === 'GET' && part === 'connections')
      return { body: { open: room.everyone.map(({ info }) => info), past: room.pastConnections } };
    if (method === 'POST' && part === 'burst') {
      const { messages, perFrame } = burstInput(await readJson(request));
      return { body: { first: room.ledger.head + 1, last: room.burst(messages, perFrame, Date.now()) } };
    }
    if (method === 'PATCH' && part === undefined) {
      patch(simulator, room, roomPatch(await readJson(request)));
      return { body: summary(room) };
    }
    if (method === 'DELETE' && part === undefined) {
      simulator.removeRoom(room);
      return { body: { removed: 1 } };
    }
  }
  if (kind === 'faults' && method === 'DELETE' && part === undefined) {
    if (!simulator.faults.remove(Number(name))) throw new NotFound(`there is no fault ${name}`);
    return { body: { removed: true } };
  }
  if (kind === 'replay' && method === 'GET' && part === undefined) {
    const progress = simulator.replays.progress(Number(name));
    if (!progress) throw new NotFound(`there is no replay ${name}`);
    return { body: progress };
  }
  throw new NotFound(`there is no ${call}`);
}

function patch(simulator: World, room: Room, changes: ReturnType<typeof roomPatch>): void {
  room.nickname = changes.nickname ?? room.nickname;
  room.title = changes.title ?? room.title;
  room.gated = changes.gated ?? room.gated;
  room.loginNeeded = changes.loginNeeded ?? room.loginNeeded;
  if (changes.rate !== undefined) room.setRate(changes.rate, Date.now());
  if (changes.live === true) simulator.goLive(room);
  else if (changes.live === false) simulator.goOffline(room, changes.end ?? true);
}

function roomOf(simulator: World, name = ''): Room {
  const room = simulator.room(decodeURIComponent(name));
  if (!room) throw new NotFound(`there is no room ${name}`);
  return room;
}

function summary(room: Room): Record<string, unknown> {
  return {
    uniqueId: room.uniqueId,
    nickname: room.nickname,
    title: room.title,
    userId: room.userId,
    roomId: room.roomId,
    live: room.live,
    gated: room.gated,
    loginNeeded: room.loginNeeded,
    rate: room.rate,
    messages: room.ledger.head,
    ledgerFrom: room.ledger.tail,
    connections: room.connections.size,
    connectedAt: newestOpening(room),
  };
}

function newestOpening({ connections }: Room): number | null {
  let newest: number | null = null;
  for (const { info } of connections) newest = Math.max(newest ?? 0, info.openedAt);
  return newest;
}

async function sendLedger(room: Room, query: URLSearchParams, response: ServerResponse): Promise<void> {
  const after = wholeNumber(query, 'after', 0);
  const limit = wholeNumber(query, 'limit', Number.MAX_SAFE_INTEGER);
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  let lines: string[] = [];
  for (const entry of room.ledger.entries(after, limit)) {
    lines.push(JSON.stringify(entry));
    if (lines.length < LEDGER_CHUNK) continue;
    const fits = response.write(`${lines.join('\n')}\n`);
    lines = [];
    if (!fits) await drained(response);
    if (response.destroyed) return;
  }
  response.end(lines.length > 0 ? `${lines.join('\n')}\n` : '');
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once('drain', resolve);
    response.once('close', resolve);
  });
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number): number {
  const given = query.get(name);
  if (given === null || given === '') return fallback;
  if (!/^\d{1,15}$/.test(given)) throw new InputError(`${name}: expected a whole number`);
  return Number(given);
}

async function readJson(request: IncomingMessage, bytesMax = BODY_BYTES_MAX): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new InputError(`body: expected at most ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new InputError('body: expected JSON');
  }
}
