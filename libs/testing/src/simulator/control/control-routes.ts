import type { IncomingMessage, ServerResponse } from 'node:http';
import { batchInput, burstInput, faultInput, InputError, ratesInput, replayInput, roomInput, roomPatch, signInput } from './input.js';
import type { Room } from '../room/room.js';
import type { SimulatorCore } from '../simulator-core.js';

const BODY_BYTES_MAX = 1_048_576;
const REPLAY_BYTES_MAX = 268_435_456;
/** Ledger lines written to the socket at a time. */
const LEDGER_CHUNK = 500;

/** Input of a route. `names`: the path segments of its `:name` parts, as they were sent. */
export interface ControlRequest {
  simulator: SimulatorCore;
  names: string[];
  query: URLSearchParams;
  request: IncomingMessage;
  response: ServerResponse;
}

/** An answer; `body` is sent as JSON, and left out where it is undefined. */
export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body: unknown;
}

/** The path names something that does not exist. */
export class NotFound extends Error {}

/** Answers, or writes the answer itself and gives undefined. */
type Handler = (control: ControlRequest) => Reply | undefined | Promise<Reply | undefined>;

/** Every route by its method and pattern; `:name` takes one segment. */
const ROUTES: Record<string, Handler> = {
  'POST /sim/sign': async ({ simulator, request }) => {
    const { url, userAgent } = signInput(await readJson(request));
    return { body: simulator.secrets.sign(url, userAgent, Date.now()) };
  },
  'GET /sim/rooms': ({ simulator }) => ({ body: [...simulator.rooms()].map(summary) }),
  'POST /sim/rooms': async ({ simulator, request }) => ({
    status: 201,
    body: summary(simulator.openRoom(roomInput(await readJson(request)))),
  }),
  'PATCH /sim/rooms': async ({ simulator, request }) => {
    const { rate, prefix } = ratesInput(await readJson(request));
    const rooms = [...simulator.rooms()].filter(({ uniqueId }) => uniqueId.startsWith(prefix));
    for (const room of rooms) room.setRate(rate, Date.now());
    return { body: { changed: rooms.length } };
  },
  'DELETE /sim/rooms': ({ simulator }) => {
    const rooms = [...simulator.rooms()];
    for (const room of rooms) simulator.removeRoom(room);
    return { body: { removed: rooms.length } };
  },
  'POST /sim/rooms/batch': openMany,
  'GET /sim/rooms/:uniqueId': (control) => {
    const room = roomOf(control);
    return { body: { ...summary(room), broadcasts: room.broadcasts } };
  },
  'PATCH /sim/rooms/:uniqueId': async (control) => {
    const room = roomOf(control);
    patch(control.simulator, room, roomPatch(await readJson(control.request)));
    return { body: summary(room) };
  },
  'DELETE /sim/rooms/:uniqueId': (control) => {
    control.simulator.removeRoom(roomOf(control));
    return { body: { removed: 1 } };
  },
  'GET /sim/rooms/:uniqueId/ledger': (control) => sendLedger(roomOf(control), control),
  'GET /sim/rooms/:uniqueId/connections': (control) => {
    const room = roomOf(control);
    return { body: { open: room.everyone.map(({ info }) => info), past: room.pastConnections } };
  },
  'POST /sim/rooms/:uniqueId/burst': async (control) => {
    const room = roomOf(control);
    const { messages, perFrame } = burstInput(await readJson(control.request));
    return { body: { first: room.ledger.head + 1, last: room.burst(messages, perFrame, Date.now()) } };
  },
  'GET /sim/faults': ({ simulator }) => ({ body: simulator.faults.list() }),
  'POST /sim/faults': async ({ simulator, request }) => {
    const spec = faultInput(await readJson(request));
    if (spec.uniqueId !== undefined) spec.uniqueId = roomCalled(simulator, spec.uniqueId).uniqueId;
    return { status: 201, body: simulator.fault(spec) };
  },
  'DELETE /sim/faults': ({ simulator }) => {
    simulator.faults.remove();
    return { body: { removed: true } };
  },
  'GET /sim/faults/log': ({ simulator }) => ({ body: simulator.faults.log() }),
  'DELETE /sim/faults/:id': ({ simulator, names: [id = ''] }) => {
    if (!simulator.faults.remove(Number(id))) throw new NotFound(`there is no fault ${id}`);
    return { body: { removed: true } };
  },
  'POST /sim/replay': async ({ simulator, request }) => {
    const { wait, ...options } = replayInput(await readJson(request, REPLAY_BYTES_MAX));
    const { id, done } = simulator.replays.start(options);
    if (wait) await done;
    return { status: wait ? 200 : 202, body: simulator.replays.progress(id) };
  },
  'GET /sim/replay/:id': ({ simulator, names: [id = ''] }) => {
    const progress = simulator.replays.progress(Number(id));
    if (!progress) throw new NotFound(`there is no replay ${id}`);
    return { body: progress };
  },
  'GET /sim/stats': ({ simulator }) => ({ body: simulator.stats() }),
  'GET /healthz': () => ({ body: { status: 'ok' } }),
};

const TABLE = Object.entries(ROUTES).map(([route, handle]) => {
  const [method = '', pattern = ''] = route.split(' ');
  return { method, pattern, segments: pattern.split('/'), handle };
});

/** What the control API serves: a method and a pattern each. */
export const CONTROL_ROUTES: readonly { method: string; pattern: string }[] = TABLE.map(({ method, pattern }) => ({ method, pattern }));

/** The route of a request; one without open segments goes first. */
export function routeFor(method: string, path: string): { handle: Handler; names: string[] } | undefined {
  const found = TABLE.filter((route) => route.method === method && matches(route.segments, path.split('/')));
  const route = found.find(({ pattern }) => pattern === path) ?? found[0];
  if (!route) return undefined;
  const names = path.split('/').filter((_, index) => route.segments[index]?.startsWith(':'));
  return { handle: route.handle, names };
}

/** Methods that a path takes; none where there is no such path. */
export function methodsOf(path: string): string[] {
  return TABLE.filter(({ segments }) => matches(segments, path.split('/'))).map(({ method }) => method);
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length && pattern.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]))
  );
}

async function openMany({ simulator, request }: ControlRequest): Promise<Reply> {
  const { count, prefix, ...options } = batchInput(await readJson(request));
  const names = Array.from({ length: count }, (_, index) => `${prefix}${String(index + 1).padStart(4, '0')}`);
  const taken = names.find((name) => simulator.room(name));
  if (taken !== undefined) throw new InputError(`prefix: ${taken} is there already`);
  return { status: 201, body: names.map((uniqueId) => summary(simulator.openRoom({ ...options, uniqueId }))) };
}

function roomOf({ simulator, names: [name = ''] }: ControlRequest): Room {
  return roomCalled(simulator, decodeURIComponent(name));
}

function roomCalled(simulator: SimulatorCore, name: string): Room {
  const room = simulator.room(name);
  if (!room) throw new NotFound(`there is no room ${name}`);
  return room;
}

function patch(simulator: SimulatorCore, room: Room, changes: ReturnType<typeof roomPatch>): void {
  room.nickname = changes.nickname ?? room.nickname;
  room.title = changes.title ?? room.title;
  room.gated = changes.gated ?? room.gated;
  room.loginNeeded = changes.loginNeeded ?? room.loginNeeded;
  if (changes.rate !== undefined) room.setRate(changes.rate, Date.now());
  if (changes.live === true) simulator.goLive(room);
  else if (changes.live === false) simulator.goOffline(room, changes.end ?? true);
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

async function sendLedger(room: Room, { query, response }: ControlRequest): Promise<undefined> {
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
    if (response.destroyed) return undefined;
  }
  response.end(lines.length > 0 ? `${lines.join('\n')}\n` : '');
  return undefined;
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
