import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { WebSocketServer } from 'ws';
import { selfSignedCertificate } from './certificate.js';
import { handleControl, isControl } from '../control/control.js';
import { pathOf } from './request.js';
import type { SimulatorCore } from '../simulator-core.js';
import { handleRequest } from './routes.js';
import { handleUpgrade } from './upgrade.js';

const TLS_HANDSHAKE = 0x16;
const CLIENT_MESSAGE_BYTES_MAX = 1_048_576;

/**
 * One port for HTTP, WebSocket and both over TLS: the first byte decides. tiktok-live-connector from 2.4 on asks loopback
 * hosts by https, and earlier 2.x always.
 */
export function createListener(simulator: SimulatorCore, sockets: Set<Socket>): Server {
  const http = createHttpServer({ keepAliveTimeout: 30_000 });
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    autoPong: false,
    clientTracking: false,
    maxPayload: CLIENT_MESSAGE_BYTES_MAX,
  });
  const { allowsHost } = simulator.options;
  http.on('request', (request, response) => {
    // A page on the internet could point a name of its own here, and would then be of the same origin.
    if (!allowsHost(request.headers.host)) return void response.writeHead(421).end('not a name of this server; see ALLOWED_HOSTS\n');
    const handled = isControl(pathOf(request)) ? handleControl(simulator, request, response) : handleRequest(simulator, request, response);
    handled.catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ message: String(error) }));
    });
  });
  http.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (allowsHost(request.headers.host)) handleUpgrade(simulator, webSockets, request, socket, head);
    else socket.end('HTTP/1.1 421 Misdirected Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  });
  http.on('clientError', (_error, socket) => socket.destroy());
  let tls: TlsServer | undefined;
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A reset before or inside the handshake is the client's affair.
    socket.on('error', () => socket.destroy());
    socket.once('data', (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      if (first[0] === TLS_HANDSHAKE) (tls ??= createTls(http)).emit('connection', socket);
      else http.emit('connection', socket);
      process.nextTick(() => socket.resume());
    });
  });
  server.on('close', () => http.close());
  return server;
}

function createTls(http: HttpServer): TlsServer {
  const tls = createTlsServer({ ...selfSignedCertificate(), ALPNProtocols: ['http/1.1'] });
  tls.on('secureConnection', (socket) => http.emit('connection', socket));
  tls.on('tlsClientError', (_error, socket) => socket.destroy());
  return tls;
}
