import { type WebcastWebSocketConfig, WebSocketConfigDefaults } from 'tiktok-live-connector';
import { browserParams, type SocketLocale } from './browser-params.js';
import { type FetchResult, readFetchResult } from '../frame/frame.js';
import { isTikTokHost } from './tiktok-hosts.js';
import type { WireMessage } from '../frame/wire-message.js';

/** A signer's answer for one connection. It is valid for one connect within about 30 s. */
export interface SocketBundle {
  /** `ProtoMessageFetchResult` bytes. */
  fetchResult: Uint8Array;
  /** A Cookie header value: `ttwid=..; ..`. Sent as it is, to the push server alone. */
  cookies: string;
  roomId: string;
  /** The user agent the bundle was made with. */
  userAgent: string;
  provider: string;
}

/** A bundle that was read and checked. */
export interface SocketPlan {
  config: WebcastWebSocketConfig;
  roomId: string;
  /** Messages that came with the bundle: they precede every frame. */
  initial: WireMessage[];
}

/** `bad-bundle`: the signer's answer cannot work. `forbidden-host`: it points to a server that is not TikTok's. */
export type PlanResult = { ok: true; plan: SocketPlan } | { ok: false; reason: 'bad-bundle' | 'forbidden-host'; message: string };

const HEADER_LENGTH_MAX = 16_384;
const ADDRESS_LENGTH_MAX = 16_384;

/**
 * Checks a bundle and makes the client library's configuration from it: address, query, cookies, user agent and browser
 * parameters that agree. `allowedHosts` (`host` or `host:port`) may be plain `ws://`; TikTok's hosts are reached by `wss://` only.
 */
export function planSocket(
  bundle: SocketBundle,
  options: { allowedHosts?: readonly string[]; heartbeatMs: number; messagesMax: number; locale?: SocketLocale },
): PlanResult {
  const bad = (message: string): PlanResult => ({ ok: false, reason: 'bad-bundle', message });
  if (!/^[1-9]\d{4,19}$/.test(bundle.roomId)) return bad('the bundle has no room id');
  if (!isHeaderValue(bundle.userAgent) || bundle.userAgent === '') return bad('the bundle has no usable user agent');
  if (!isHeaderValue(bundle.cookies)) return bad('the cookies of the bundle are not a header value');
  let result: FetchResult;
  try {
    result = readFetchResult(bundle.fetchResult, options.messagesMax);
  } catch (error) {
    return bad(`the fetch result cannot be read: ${(error as Error).message}`);
  }
  if (result.cursor === '') return bad('the fetch result has no cursor');
  const server = pushServer(result.pushServer, options.allowedHosts ?? []);
  if (!server.ok) return server;

  const wsParams: Record<string, string> = {
    ...browserParams(bundle.userAgent, options.locale),
    'User-Agent': bundle.userAgent,
    compress: 'gzip',
    room_id: bundle.roomId,
    internal_ext: result.internalExt,
    cursor: result.cursor,
  };
  for (const [name, value] of result.routeParams) if (value !== '') wsParams[name] = value;
  if (server.baseUrl.length + new URLSearchParams(wsParams).toString().length > ADDRESS_LENGTH_MAX)
    return bad(`the socket's address is longer than ${ADDRESS_LENGTH_MAX} characters`);
  const wsHeaders: Record<string, string> = { 'User-Agent': bundle.userAgent };
  if (bundle.cookies !== '') wsHeaders.Cookie = bundle.cookies;
  const config: WebcastWebSocketConfig = {
    ...WebSocketConfigDefaults,
    DEFAULT_WS_PING_INTERVAL: options.heartbeatMs,
    roomId: bundle.roomId,
    baseUrl: server.baseUrl,
    wsParams: wsParams as WebcastWebSocketConfig['wsParams'],
    wsHeaders,
  };
  return { ok: true, plan: { config, roomId: bundle.roomId, initial: result.messages } };
}

function pushServer(text: string, allowedHosts: readonly string[]): Extract<PlanResult, { ok: false }> | { ok: true; baseUrl: string } {
  if (text === '') return { ok: false, reason: 'bad-bundle', message: 'the fetch result names no push server' };
  if (!URL.canParse(text)) return { ok: false, reason: 'bad-bundle', message: 'the push server is not an address' };
  const url = new URL(text);
  const refuse = (message: string) => ({ ok: false, reason: 'forbidden-host', message }) as const;
  if (url.protocol !== 'wss:' && url.protocol !== 'ws:') return refuse(`the push server is not a WebSocket address (${url.protocol})`);
  if (url.username !== '' || url.password !== '') return refuse('the push server carries a user name');
  const baseUrl = `${url.protocol}//${url.host}${url.pathname}`;
  if (allowedHosts.includes(url.host) || allowedHosts.includes(url.hostname)) return { ok: true, baseUrl };
  // A signer must not be able to point a worker anywhere else.
  if (!isTikTokHost(url.hostname)) return refuse(`${url.host} is not a push server of TikTok`);
  if (url.protocol !== 'wss:') return refuse(`${url.host} must be reached by wss://`);
  if (url.port !== '') return refuse(`${url.host} is not the default port`);
  return { ok: true, baseUrl };
}

/** Printable ASCII within bounds: anything else would make the request throw, or split its headers. */
function isHeaderValue(text: string): boolean {
  return text.length <= HEADER_LENGTH_MAX && /^[\x20-\x7e]*$/.test(text);
}
