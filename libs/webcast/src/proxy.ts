import { Agent, type ClientRequestArgs, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls';
import { type Dispatcher, ProxyAgent } from 'undici';

/** A proxy as it was given, ready for use; `shown` has no user name and no password. */
export type ProxyResult = { ok: true; url: string; shown: string } | { ok: false; reason: string };

const LENGTH_MAX = 1_024;
/** What the proxy may take to open a tunnel. */
const TUNNEL_MS_MAX = 15_000;
/** In place of the user name and password of a proxy. */
export const HIDDEN = '***';

/** Reads the address of a proxy: `http://` or `https://`, with user and password where it wants them. SOCKS is not spoken. */
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

/** HTTP requests through a proxy, by tunnel, so that it sees no cookie and no answer. Close it when it is no longer used. */
export function proxyDispatcher(url: string): Dispatcher {
  return new ProxyAgent({ uri: url, connections: 4, keepAliveTimeout: 4_000 });
}

/** WebSockets through a proxy: each connection is a tunnel of its own, made with CONNECT, and TLS inside it for `wss://`. */
export class TunnelAgent extends Agent {
  /** Node compares it with the scheme of the request. */
  readonly protocol: string;

  constructor(
    private readonly proxy: string,
    private readonly isSecure: boolean,
  ) {
    super({ keepAlive: false });
    this.protocol = isSecure ? 'https:' : 'http:';
  }

  override createConnection(options: ClientRequestArgs, callback?: (error: Error | null, stream: Duplex) => void): Duplex | undefined {
    const host = options.host ?? 'localhost';
    const fail = (message: string) => callback?.(Object.assign(new Error(message), { code: 'EPROXY' }), undefined as unknown as Duplex);
    const authority = `${host.includes(':') ? `[${host}]` : host}:${options.port ?? (this.isSecure ? 443 : 80)}`;
    const url = new URL(this.proxy);
    const credentials = credentialsOf(url);
    const connect = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: authority,
      agent: false,
      timeout: TUNNEL_MS_MAX,
      headers: {
        host: authority,
        ...(credentials === undefined ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
    });
    connect.once('connect', (answer, socket: Socket, head: Buffer) => {
      socket.setTimeout(0);
      if (answer.statusCode !== 200) {
        socket.destroy();
        return fail(`the proxy answered ${answer.statusCode}`);
      }
      if (head.length > 0) socket.unshift(head);
      callback?.(null, this.isSecure ? secured(socket, host, options as ConnectionOptions) : socket);
    });
    // A proxy that does not know CONNECT answers like any server.
    connect.once('response', (answer) => {
      answer.resume();
      connect.destroy();
      fail(`the proxy answered ${answer.statusCode}`);
    });
    connect.once('timeout', () => connect.destroy(new Error(`no answer within ${TUNNEL_MS_MAX} ms`)));
    connect.once('error', (error: NodeJS.ErrnoException) => fail(`the proxy cannot be reached: ${error.code ?? error.message}`));
    connect.end();
    return undefined;
  }
}

function secured(socket: Socket, host: string, { ca, rejectUnauthorized, servername }: ConnectionOptions): Duplex {
  return tlsConnect({ socket, ca, rejectUnauthorized, servername: servername || (isIP(host) ? '' : host) });
}

/** @throws URIError when they are not percent-encoded */
function credentialsOf({ username, password }: URL): string | undefined {
  return username === '' && password === '' ? undefined : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
}
