import { Agent, type ClientRequest, type ClientRequestArgs, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls';
import { Agent as HttpAgent, buildConnector, type Dispatcher } from 'undici';

/** The address of a proxy, checked; `shown` is for logs and pages: it has no user name and no password. */
export type ProxyResult = { ok: true; url: string; shown: string } | { ok: false; reason: string };

/** Decides which addresses a proxy may have. */
export interface ProxyGuard {
  /** The addresses of a host where every one is allowed; otherwise why it is closed. */
  check(place: { hostname: string; port: number }): Promise<{ kind: 'open'; addresses: string[] } | { kind: 'closed'; category: string }>;
  /** Whether the address at the far end of an open connection is allowed. */
  allows(address: string | undefined, port: number): boolean;
}

/** A way through a proxy. */
export interface ProxyRoute {
  /** Its address, as {@link readProxy} gave it. */
  url: string;
  /** Checks every connection, since DNS may have changed. Without one every address is allowed: the operator chose the proxy. */
  guard?: ProxyGuard;
  /** Called with the cause of a failure, for the operator's log. Errors say only that the proxy cannot be reached. */
  onFailure?(detail: string): void;
}

const LENGTH_MAX = 1_024;
/** Longest time to open a tunnel, counted from the dial. TLS inside the tunnel may take as long again. */
const TUNNEL_MS_MAX = 5_000;
/** In place of the user name and password of a proxy. */
export const HIDDEN = '***';

/** Reads the address of a proxy: `http://` or `https://`, with user and password where the proxy needs them. SOCKS is not supported. */
export function readProxy(text: string): ProxyResult {
  if (text.length > LENGTH_MAX) return { ok: false, reason: `longer than ${LENGTH_MAX} characters` };
  if (!URL.canParse(text)) return { ok: false, reason: 'expected an address such as http://user:password@host:8080' };
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return { ok: false, reason: `expected http:// or https:// (a proxy that takes CONNECT), not ${url.protocol.slice(0, 20)}//` };
  if (url.hostname === '') return { ok: false, reason: 'the host is missing' };
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return { ok: false, reason: 'nothing may follow host and port' };
  try {
    credentialsOf(url);
  } catch {
    return { ok: false, reason: 'user name and password must be percent-encoded' };
  }
  const hidden = url.username === '' && url.password === '' ? '' : `${HIDDEN}@`;
  return { ok: true, url: url.href, shown: `${url.protocol}//${hidden}${url.host}` };
}

/**
 * Sends HTTP requests through a tunnel, so that the proxy sees no cookie and no answer. A tunnel that fails ends its request:
 * undici's own ProxyAgent dials again without pause or end when a proxy accepts and closes. A request that finds no idle
 * connection opens one, so the caller bounds how many requests run. Close the dispatcher when it is no longer used.
 */
export function proxyDispatcher(route: ProxyRoute): Dispatcher {
  const secure = buildConnector({ timeout: TUNNEL_MS_MAX });
  const connect: buildConnector.connector = (to, callback) => {
    const isSecure = to.protocol === 'https:';
    // undici dials again after errors with certain codes; a TunnelError has none of them.
    const fail = (detail: string) => callback(new TunnelError(detail), null);
    openTunnel(route, authorityOf(to.hostname, to.port, isSecure), fail, (socket) => {
      if (!isSecure) return callback(null, socket);
      secure({ ...to, httpSocket: socket }, (...[error, secured]: Parameters<buildConnector.Callback>) => {
        if (error === null) return callback(null, secured);
        socket.destroy();
        const detail = `no TLS through the proxy: ${(error as NodeJS.ErrnoException).code ?? error.message}`;
        route.onFailure?.(detail);
        fail(detail);
      });
    });
  };
  return new HttpAgent({ connect, keepAliveTimeout: 4_000 });
}

/** Opens WebSockets through a proxy: one CONNECT tunnel for each connection, with TLS inside it for `wss://`. */
export class TunnelAgent extends Agent {
  /** Node refuses a request whose scheme differs from this. */
  readonly protocol: string;

  constructor(
    private readonly route: ProxyRoute,
    private readonly isSecure: boolean,
  ) {
    super({ keepAlive: false });
    this.protocol = isSecure ? 'https:' : 'http:';
  }

  override createConnection(options: ClientRequestArgs, callback?: (error: Error | null, stream: Duplex) => void): Duplex | undefined {
    const host = options.host ?? 'localhost';
    openTunnel(
      this.route,
      authorityOf(host, options.port, this.isSecure),
      (detail) => callback?.(new TunnelError(detail), undefined as unknown as Duplex),
      (socket) => callback?.(null, this.isSecure ? secured(socket, host, options as ConnectionOptions) : socket),
    );
    return undefined;
  }
}

/**
 * The proxy opened no tunnel. The message is the same for every cause: whoever chose the address sees it,
 * and must not learn which ports of a network are open.
 */
class TunnelError extends Error {
  override name = 'TunnelError';
  readonly code = 'EPROXY';

  /** @param detail what went wrong; for the operator alone */
  constructor(readonly detail: string) {
    super('the proxy cannot be reached');
  }
}

function authorityOf(host: string, port: string | number | null | undefined, isSecure: boolean): string {
  return `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port || (isSecure ? 443 : 80)}`;
}

/** Asks a proxy for a tunnel. Exactly one of `fail` and `open` is called, within {@link TUNNEL_MS_MAX} ms whatever the proxy does. */
function openTunnel(route: ProxyRoute, authority: string, fail: (detail: string) => void, open: (socket: Socket) => void): void {
  let isOver = false;
  let request: ClientRequest | undefined;
  const end = (detail: string) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    request?.destroy();
    route.onFailure?.(detail);
    fail(detail);
  };
  // Bounds the whole attempt: an idle timeout would never fire for a proxy that sends a byte now and then.
  const timer = setTimeout(() => end(`no tunnel within ${TUNNEL_MS_MAX} ms`), TUNNEL_MS_MAX).unref();
  const dial = (addresses: string[] | undefined) => {
    if (isOver) return;
    request = connectRequest(route, authority, addresses);
    request.once('connect', (answer, socket: Socket, head: Buffer) => {
      if (isOver || answer.statusCode !== 200) {
        socket.on('error', () => undefined).destroy();
        return end(`the proxy answered ${answer.statusCode}`);
      }
      isOver = true;
      clearTimeout(timer);
      if (head.length > 0) socket.unshift(head);
      open(socket);
    });
    // A proxy that does not support CONNECT answers with an ordinary response.
    request.once('response', (answer) => {
      answer.resume();
      end(`the proxy answered ${answer.statusCode}`);
    });
    request.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    request.once('close', () => end('the proxy closed the connection'));
    request.end();
  };
  if (!route.guard) return dial(undefined);
  route.guard.check(placeOf(new URL(route.url))).then(
    (verdict) =>
      verdict.kind === 'open'
        ? dial(verdict.addresses)
        : end(verdict.category === 'dns' ? 'no address of its name is known' : 'its address is closed'),
    (error: unknown) => end(error instanceof Error ? error.message : String(error)),
  );
}

/** The CONNECT request. It connects to one of `addresses` when they are given; the guard checks the open connection once more. */
function connectRequest({ url: text, guard }: ProxyRoute, authority: string, addresses: string[] | undefined): ClientRequest {
  const url = new URL(text);
  const credentials = credentialsOf(url);
  const { hostname, port } = placeOf(url);
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
    host: hostname,
    port,
    method: 'CONNECT',
    path: authority,
    agent: false,
    // TLS still uses the name; the guard has resolved and checked its addresses.
    ...(addresses ? { lookup: lookupOf(addresses) } : {}),
    headers: {
      host: authority,
      ...(credentials === undefined ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
    },
  });
  if (guard)
    request.once('socket', (socket) =>
      socket.once('connect', () => {
        if (!guard.allows(socket.remoteAddress, port)) request.destroy(new Error('the connection ended at an address that is closed'));
      }),
    );
  return request;
}

function placeOf(url: URL): { hostname: string; port: number } {
  return { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) };
}

/** Resolves every name to these addresses. */
function lookupOf(addresses: string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, options, callback) => {
    if (options.all) callback(null, all);
    else callback(null, all[0]!.address, all[0]!.family);
  };
}

function secured(socket: Socket, host: string, { ca, rejectUnauthorized, servername }: ConnectionOptions): Duplex {
  return tlsConnect({ socket, ca, rejectUnauthorized, servername: servername || (isIP(host) ? '' : host) });
}

/** @throws URIError when they are not percent-encoded */
function credentialsOf({ username, password }: URL): string | undefined {
  return username === '' && password === '' ? undefined : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
}
