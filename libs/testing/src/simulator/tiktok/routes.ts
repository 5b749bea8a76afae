import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { RequestKind } from '../control/faults.js';
import { pathOf, queryOf } from './request.js';
import { LIVE_SCRIPT, sdkScript } from './page-sdk.js';
import { checkAlive, giftList, homePage, livePage, roomInfo, userRoom } from './pages.js';
import type { Room } from '../room/room.js';
import { parseCookies } from './signature.js';
import type { SimulatorCore } from '../simulator-core.js';

const PUSH_PATH = '/webcast/im/ws_proxy/ws_reuse_supplement/';
const ROOM_IDS_MAX = 500;

interface Answer {
  status: number;
  type: string;
  body: string | Buffer;
  headers?: Record<string, string>;
}

/** Answers what TikTok's own hosts would: pages, room API, webcast API. */
export async function handleRequest(simulator: SimulatorCore, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const now = Date.now();
  const path = pathOf(request);
  const query = queryOf(request);
  const route = routeOf(path);
  const room = aboutRoom(simulator, path, query);
  simulator.count(simulator.requests, route);
  request.resume();
  const fault = simulator.faults.request(path, room?.uniqueId, now);
  switch (fault?.kind) {
    case 'hang':
      return;
    case 'http403':
      return send(response, json(403, { message: 'Access Denied' }));
    case 'http429':
      return send(response, { ...json(429, { message: 'Too many requests, slow down' }), headers: { 'retry-after': '30' } });
    case 'http500':
      return send(response, json(500, { message: 'internal error' }));
    case 'empty200':
      return send(response, { status: 200, type: 'application/x-protobuf', body: '' });
    default: {
      const given = parseCookies(request.headers.cookie).get('ttwid');
      const isNew = (route === 'home' || route === 'page') && !simulator.secrets.knowsTtwid(given, now);
      const ttwid = isNew ? simulator.secrets.issueTtwid(now) : given;
      const answer = answerFor(simulator, request, route, path, query, room, ttwid ?? '', now, fault?.kind);
      if (isNew) answer.headers = { 'set-cookie': `ttwid=${ttwid}; Path=/; Max-Age=31536000; HttpOnly`, ...answer.headers };
      if (fault?.kind === 'slowHttp') return trickle(response, answer, fault.bytesPerSecond);
      return send(response, answer);
    }
  }
}

function answerFor(
  simulator: SimulatorCore,
  request: IncomingMessage,
  route: string,
  path: string,
  query: URLSearchParams,
  room: Room | undefined,
  ttwid: string,
  now: number,
  fault: RequestKind | undefined,
): Answer {
  const html = (body: string): Answer => ({ status: 200, type: 'text/html; charset=utf-8', body });
  switch (route) {
    case 'home':
      return html(homePage(simulator.secrets.issuePage(ttwid, now)));
    case 'page':
      return html(livePage(nameIn(path), room, simulator.secrets.issuePage(ttwid, now)));
    case 'sdk':
      return sdk(simulator, request, query.get('p') ?? '', ttwid, now);
    case 'sdk/live':
      return { status: 200, type: 'text/javascript', body: LIVE_SCRIPT, headers: { 'cache-control': 'max-age=3600' } };
    case 'user/room':
      return json(200, userRoom(query.get('uniqueId'), fault === 'userNotFound' ? undefined : room));
    case 'room/info':
      return json(200, roomInfo(query.get('room_id') ?? '', room, now));
    case 'room/check_alive': {
      const roomIds = (query.get('room_ids') ?? '').split(',').filter((id) => /^\d{1,20}$/.test(id));
      const alive = (roomId: string) => {
        const found = simulator.roomOfId(roomId);
        if (fault === 'alwaysAlive') return true;
        return found !== undefined && found.live && found.roomId === roomId;
      };
      return { status: 200, type: 'application/json', body: checkAlive(roomIds.slice(0, ROOM_IDS_MAX), alive, now) };
    }
    case 'gift/list':
      return refusal(simulator, request, now) ?? json(200, giftList(now));
    case 'im/fetch':
      return refusal(simulator, request, now) ?? bundle(simulator, request, room, now);
    default:
      return json(404, { message: 'Not Found' });
  }
}

/** The refusal of an unsigned or unknown visitor, or undefined. TikTok gives no reason; `GET /sim/stats` does. */
function refusal(simulator: SimulatorCore, request: IncomingMessage, now: number): Answer | undefined {
  const cookies = parseCookies(request.headers.cookie);
  const reason = simulator.secrets.refusal(request.url ?? '/', request.headers['user-agent'] ?? '', cookies, now);
  if (!reason) return undefined;
  simulator.count(simulator.refused, reason);
  return simulator.options.refuseWith === 'http403'
    ? json(403, { message: 'Access Denied' })
    : { status: 200, type: 'application/x-protobuf', body: '' };
}

/** The SDK of a page, for the visitor it was shown to. */
function sdk(simulator: SimulatorCore, request: IncomingMessage, pageId: string, ttwid: string, now: number): Answer {
  const maskedKeyHex = simulator.secrets.maskedPageKey(pageId, ttwid, request.headers['user-agent'] ?? '', now);
  if (maskedKeyHex === undefined) return json(403, { message: 'Access Denied' });
  return { status: 200, type: 'text/javascript', body: sdkScript({ pageId, maskedKeyHex }), headers: { 'cache-control': 'no-store' } };
}

function bundle(simulator: SimulatorCore, request: IncomingMessage, room: Room | undefined, now: number): Answer {
  if (!room?.live) {
    simulator.count(simulator.refused, 'room not live');
    return json(200, { data: { message: 'room has finished', prompts: 'room has finished' }, extra: { now }, status_code: 30_003 });
  }
  const host = request.headers.host;
  const authority = host && /^[\w.:[\]-]+$/.test(host) ? host : new URL(simulator.url).host;
  const body = room.bundle(simulator.nextBundleId(), now, `ws://${authority}${PUSH_PATH}`, {
    imprp: randomBytes(24).toString('base64url'),
    wrss: randomBytes(48).toString('base64url'),
  });
  return { status: 200, type: 'application/x-protobuf', body };
}

/** Paths of TikTok that are served by any method, with what each is counted as. */
const ROUTES: Record<string, string> = {
  '/': 'home',
  '/@:uniqueId': 'page',
  '/@:uniqueId/live': 'page',
  '/sdk/webmssdk.js': 'sdk',
  '/sdk/live.js': 'sdk/live',
  '/api-live/user/room': 'user/room',
  '/webcast/room/info': 'room/info',
  '/webcast/room/check_alive': 'room/check_alive',
  '/webcast/gift/list': 'gift/list',
  '/webcast/im/fetch': 'im/fetch',
};

/** What is served of TikTok: patterns of paths, in which `:uniqueId` stands for a handle. */
export const TIKTOK_PATHS: readonly string[] = Object.keys(ROUTES);

function routeOf(path: string): string {
  const pattern = path.replace(/^\/@[^/]+/, '/@:uniqueId');
  return ROUTES[pattern] ?? ROUTES[pattern.replace(/\/$/, '')] ?? 'unknown';
}

/** The creator of a request, by its path or query; also used to select faults. */
export function aboutRoom(simulator: SimulatorCore, path: string, query: URLSearchParams): Room | undefined {
  // Clients may send an old room_id together with a name; the name decides.
  const uniqueId = path.startsWith('/@') ? nameIn(path) : query.get('uniqueId');
  if (uniqueId) return simulator.room(uniqueId);
  const roomId = query.get('room_id');
  return roomId ? simulator.roomOfId(roomId) : undefined;
}

function nameIn(path: string): string {
  const name = path.slice(2).split('/', 1)[0] ?? '';
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function json(status: number, body: unknown): Answer {
  return { status, type: 'application/json', body: JSON.stringify(body) };
}

function head(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': Buffer.byteLength(answer.body),
    'x-tt-logid': `${Date.now()}${randomBytes(8).toString('hex').toUpperCase()}`,
    ...answer.headers,
  });
}

function send(response: ServerResponse, answer: Answer): void {
  head(response, answer);
  response.end(answer.body);
}

/** Sends an answer at so many bytes a second, until it is out or the client has gone. */
async function trickle(response: ServerResponse, answer: Answer, bytesPerSecond: number): Promise<void> {
  head(response, answer);
  const body = Buffer.from(answer.body);
  const step = Math.max(1, Math.floor(bytesPerSecond / 10));
  for (let at = 0; at < body.length && !response.destroyed; at += step) {
    response.write(body.subarray(at, at + step));
    await delay(100);
  }
  response.end();
}
