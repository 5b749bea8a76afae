import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request that came to the receiver. */
export interface ReceivedHook {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** ms since 1970, when its body was read. */
  at: number;
}

/** What the receiver does with a request. Without `status` it is 200. */
export interface HookAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** Waits before it answers. */
  delayMs?: number;
  /** `hang`: never answers. `reset`: cuts the connection. `half`: sends the head and half of the body, then nothing more. */
  fault?: 'hang' | 'reset' | 'half';
}

export interface WebhookReceiverOptions {
  /** Decides by request; 200 for all when missing. */
  answer?: (hook: ReceivedHook) => HookAnswer | undefined;
  /** Called for each request, before it is answered. */
  onHook?: (hook: ReceivedHook) => void;
  /** False: requests are not kept in `hooks`. */
  keep?: boolean;
  port?: number;
  host?: string;
}

/** An HTTP server on loopback that webhooks are sent to. */
export interface WebhookReceiver {
  readonly port: number;
  /** Everything that came, in order of arrival. */
  readonly hooks: ReceivedHook[];
  /** Connections that were made. */
  readonly connections: number;
  url(path?: string): string;
  /** Requests to a path that have come so far. */
  of(path: string): ReceivedHook[];
  /** Changes what it answers. */
  answer(answer: (hook: ReceivedHook) => HookAnswer | undefined): void;
  close(): Promise<void>;
}

/** Starts a receiver on a free port. */
export async function startWebhookReceiver(options: WebhookReceiverOptions = {}): Promise<WebhookReceiver> {
  const { keep = true, host = '127.0.0.1', port = 0, onHook } = options;
  let answer = options.answer ?? (() => undefined);
  const hooks: ReceivedHook[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    read(request, (body) => {
      const hook = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body, at: Date.now() };
      if (keep) hooks.push(hook);
      onHook?.(hook);
      respond(response, answer(hook) ?? {});
    });
  });
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    hooks,
    get connections() {
      return connections;
    },
    url: (path = '/') => `http://127.0.0.1:${bound}${path}`,
    of: (path) => hooks.filter((hook) => hook.path === path),
    answer: (next) => void (answer = next),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Whether a request carries a `v1` signature of this secret (`whsec_...`), as Standard Webhooks says. */
export function verifyHook({ headers, body }: Pick<ReceivedHook, 'headers' | 'body'>, secret: string): boolean {
  const text = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const wanted = `v1,${createHmac('sha256', Buffer.from(secret.replace(/^whsec_/, ''), 'base64'))
    .update(text)
    .digest('base64')}`;
  return String(headers['webhook-signature']).split(' ').includes(wanted);
}

/** The events of a request, single or batch. */
export function hookEvents<T = { id: string; type: string }>({ body }: Pick<ReceivedHook, 'body'>): T[] {
  const parsed = JSON.parse(body) as T | T[];
  return Array.isArray(parsed) ? parsed : [parsed];
}

function read(request: IncomingMessage, then: (body: string) => void): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => then(Buffer.concat(chunks).toString()));
  // The sender gave up: there is nobody to answer.
  request.on('error', () => undefined);
}

function respond(response: ServerResponse, { status = 200, headers = {}, body = '', delayMs = 0, fault }: HookAnswer): void {
  const go = () => {
    if (response.destroyed) return;
    if (fault === 'reset') response.destroy();
    else if (fault === 'half')
      response.writeHead(status, { ...headers, 'content-length': String(2 * Math.max(1, body.length)) }).write(body || 'x');
    else if (fault === undefined) response.writeHead(status, headers).end(body);
  };
  if (delayMs > 0) setTimeout(go, delayMs).unref();
  else go();
}
