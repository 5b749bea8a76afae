import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocketServer } from 'ws';
import { pathOf, queryOf } from './request.js';
import { parseCookies } from './signature.js';
import type { SimulatorCore } from '../simulator-core.js';
import { aboutRoom } from './routes.js';

/** Where WebSockets are taken. */
export const PUSH_PATHS: readonly string[] = ['/webcast/im/ws_proxy/ws_reuse_supplement', '/webcast/im/push/v2'];
/** Status lines of refusals, as reason phrases. */
const PHRASES: Record<number, string> = {
  200: 'OK',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
};

/** Accepts a viewer's WebSocket, or refuses it as TikTok does: an ordinary answer with `Handshake-Msg`. */
export function handleUpgrade(
  simulator: SimulatorCore,
  webSockets: WebSocketServer,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  const now = Date.now();
  const path = pathOf(request);
  const query = queryOf(request);
  const room = aboutRoom(simulator, path, query);
  socket.on('error', () => socket.destroy());
  simulator.count(simulator.requests, 'socket');
  if (!PUSH_PATHS.includes(path.replace(/\/$/, ''))) return refuse(socket, 404);
  const fault = simulator.faults.request(path, room?.uniqueId, now);
  switch (fault?.kind) {
    case 'hang':
      return;
    case 'http403':
      return refuse(socket, 403);
    case 'http429':
      return refuse(socket, 429);
    case 'http500':
      return refuse(socket, 500);
    case 'empty200':
      return refuse(socket, 200);
    case 'deviceBlocked':
      return refuse(socket, 200, 'DEVICE_BLOCKED', 415);
    default:
  }
  const countAndRefuse = (reason: string, message: string) => {
    simulator.count(simulator.refused, reason);
    refuse(socket, 200, message, 415);
  };
  if (!simulator.secrets.knowsTtwid(parseCookies(request.headers.cookie).get('ttwid'), now))
    return countAndRefuse('socket: session cookie unknown', 'illegal secret key');
  const roomId = query.get('room_id') ?? '';
  if (!room || !room.live || room.roomId !== roomId) return countAndRefuse('socket: room not live', 'room has finished');
  const internalExt = query.get('internal_ext') ?? '';
  let seen: number | undefined;
  if (internalExt === '') {
    if (!simulator.options.anonymousAllowed || query.get('ws_direct') !== '1')
      return countAndRefuse('socket: no bundle', 'illegal secret key');
  } else {
    if (!simulator.secrets.knowsPosition(roomId, query.get('cursor') ?? '', internalExt, now))
      return countAndRefuse('socket: bundle unknown', 'illegal secret key');
    seen = Number(/\|seq:(\d+)\|/.exec(internalExt)?.[1] ?? 0);
  }
  webSockets.handleUpgrade(request, socket, head, (webSocket) => {
    simulator.connect(webSocket, socket, room, request.headers['user-agent'] ?? '', seen);
  });
}

function refuse(socket: Socket, status: number, message?: string, handshakeStatus?: number): void {
  const headers = [`HTTP/1.1 ${status} ${PHRASES[status] ?? ''}`, 'Connection: close', 'Content-Length: 0'];
  if (message !== undefined) headers.push(`Handshake-Msg: ${message}`);
  if (handshakeStatus !== undefined) headers.push(`Handshake-Status: ${handshakeStatus}`);
  socket.end(`${headers.join('\r\n')}\r\n\r\n`);
}
