import type { Draw } from '../engine/draw.js';
import { hostileJson, hostileNumber, hostileText } from '../engine/hostile.js';
import { mutatedBytes, mutatedText } from '../engine/mutate.js';
import { encoded, type HttpRequest } from '../http/request.js';
import { SIGN_ROUTES } from './routes.js';

/** Real values of a running signer. */
export interface SignValues {
  rooms: string[];
  handles: string[];
  userIds: string[];
  /** URLs that it signs. */
  urls: string[];
  keys: string[];
  tokens: string[];
}

const QUERY: readonly string[] = [
  'unique_id',
  'uniqueId',
  'room_id',
  'roomId',
  'client',
  'cursor',
  'user_agent',
  'userAgent',
  'session_id',
  'tt_target_idc',
  'webcast_language',
  'url',
  'apiKey',
  'jwtKey',
];
const MEMBERS: readonly string[] = [
  ...[
    'url',
    'method',
    'payload',
    'type',
    'userAgent',
    'sessionId',
    'ttTargetIdc',
    'ttwid',
    'expiresInSeconds',
    'expireAfter',
    'creators',
    'limits',
    'name',
  ],
  ...['websockets', 'user_numeric_ids', 'extra', '__proto__'],
];
/** What a URL may be taken for by one reader and not by another. */
const URL_TWISTS: readonly string[] = [
  '@evil.example/',
  '#',
  '\\',
  '%2f',
  '%00',
  ' ',
  '\t',
  ':443',
  ':80',
  '.',
  '..;/',
  '?',
  '//',
  '&room_id=1',
  ';room_id=1',
  '%26room_id=1',
  '\u3002',
  '[',
  'javascript:',
];

/** Makes requests to every route of the signer. */
export class SignRequestMaker {
  constructor(
    private readonly values: SignValues,
    private readonly host: string,
  ) {}

  make(draw: Draw): HttpRequest {
    const route = draw.pick(SIGN_ROUTES);
    const method = draw.chance(0.95) ? route.method : draw.pick(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'PATCH', 'TRACE']);
    const path = route.path.replace(/:(\w+)|\*/g, (all, name?: string) => encoded(this.value(draw, name ?? all)).slice(0, 3_000) || '%20');
    const isPost = method === 'POST' || draw.chance(0.02);
    const body = isPost ? this.body(draw, route.path) : undefined;
    const headers = this.headers(draw);
    if (body)
      headers.push([
        'content-type',
        draw.chance(0.95)
          ? 'application/json'
          : draw.pick(['text/plain', 'application/x-www-form-urlencoded', '', 'application/json; charset=x']),
      ]);
    return {
      method,
      path: draw.chance(0.98) ? path : draw.pick([`/${path}`, `${path}/`, path.toUpperCase(), `${path}//`, `${path}%00`]),
      query: this.query(draw, route.path),
      headers,
      body,
      route: `${method} ${route.path}`,
    };
  }

  private query(draw: Draw, path: string): string[] {
    const names = QUERY.filter((name) => draw.chance(isNamed(path, name) ? 0.85 : 0.06));
    const pairs = names.map((name) => `${name}=${encoded(this.value(draw, name)).slice(0, 9_000)}`);
    if (draw.chance(0.04) && pairs[0]) pairs.push(pairs[0]);
    if (draw.chance(0.03)) pairs.push(draw.pick(['%', 'x[]=1', '__proto__=1', 'room_id[]=5', 'a=%ff', 'unique_id%00=x', '&&&']));
    return pairs;
  }

  private value(draw: Draw, name: string): string {
    const real = this.real(name);
    return draw.weighted([
      [real ? 9 : 0, () => draw.pick(real!)],
      [real ? 4 : 0, () => mutatedText(draw.pick(real!), draw)],
      [real ? 3 : 5, () => hostileText(draw)],
      [real ? 0 : 3, () => draw.pick(['a', '1988', 'en-US'])],
    ])();
  }

  private real(name: string): string[] | undefined {
    const { rooms, handles, urls, keys, tokens } = this.values;
    if (/^unique_?id$/i.test(name)) return handles;
    if (/^room_?id$/i.test(name)) return rooms;
    if (name === 'url') return urls;
    if (name === 'apiKey') return keys;
    if (name === 'jwtKey') return tokens;
    if (/^user_?agent$/i.test(name)) return ['Mozilla/5.0 (X11; Linux x86_64) Chrome/129.0.0.0'];
    return name === 'name' ? ['simulator', 'page', 'anonymous'] : undefined;
  }

  private url(draw: Draw): string {
    const url = draw.pick(this.values.urls);
    return draw.weighted([
      [5, () => url],
      [2, () => mutatedText(url, draw)],
      [2, () => url.replace(draw.pick(['//', '/', '?', '.', '=']), (found) => found + draw.pick(URL_TWISTS))],
      [1, () => hostileText(draw)],
    ])();
  }

  private body(draw: Draw, path: string): Buffer {
    const members = MEMBERS.filter((name) => draw.chance(isNamed(path, name) ? 0.85 : 0.04)).map(
      (name) => `${JSON.stringify(name)}:${this.member(draw, name)}`,
    );
    const text = Buffer.from(`{${members.join(',')}}`);
    return draw.weighted([
      [20, () => text],
      [1, () => mutatedBytes(text, draw)],
      [1, () => text.subarray(0, draw.below(text.length + 1))],
      [1, () => Buffer.from(hostileJson(draw))],
      [0.1, () => Buffer.from(`{"url":"${'x'.repeat(140_000)}"}`)],
    ])();
  }

  private member(draw: Draw, name: string): string {
    if (draw.chance(0.12)) return hostileJson(draw);
    switch (name) {
      case 'url':
        return JSON.stringify(this.url(draw));
      case 'method':
        return JSON.stringify(draw.pick(['GET', 'POST', 'get', 'HEAD', 'CONNECT']));
      case 'expiresInSeconds':
      case 'expireAfter':
        return draw.chance(0.7) ? String(draw.between(1, 86_400)) : hostileNumber(draw);
      case 'creators':
        return draw.chance(0.5) ? 'null' : JSON.stringify([this.value(draw, 'unique_id')]);
      case 'limits':
        return `{"minute":${draw.below(1_000)},${JSON.stringify(draw.pick(['hour', 'day', 'week', '__proto__']))}:${hostileNumber(draw)}}`;
      case 'websockets':
        return `{"allowedCreators":${JSON.stringify([this.value(draw, 'unique_id')])},"maxWebSockets":${draw.chance(0.7) ? '1' : hostileJson(draw)}}`;
      case 'user_numeric_ids':
        return JSON.stringify(
          Array.from({ length: draw.pick([1, 3, 50, 51]) }, () =>
            draw.chance(0.9) ? draw.pick(this.values.userIds) : hostileText(draw).slice(0, 100),
          ),
        );
      default:
        return JSON.stringify(this.value(draw, name));
    }
  }

  private headers(draw: Draw): [string, string][] {
    const { keys, tokens } = this.values;
    const headers: [string, string][] = [['host', draw.chance(0.99) ? this.host : draw.pick(['localhost', 'evil.example', '[::1]', ''])]];
    const credential = draw.weighted<() => string | undefined>([
      [5, () => undefined],
      [4, () => draw.pick(keys)],
      [3, () => draw.pick(tokens)],
      [3, () => mutatedToken(draw.pick(tokens), draw)],
      [0.5, () => mutatedText(draw.pick(keys), draw)],
    ])();
    if (credential !== undefined)
      headers.push(
        draw.pick([
          ['x-api-key', line(credential)],
          ['x-jwt-key', line(credential)],
          ['authorization', `Bearer ${line(credential)}`],
        ]),
      );
    if (draw.chance(0.05)) headers.push(['x-cookie-header', line(draw.pick(['sessionid=abc; tt-target-idc=useast1a', hostileText(draw)]))]);
    if (draw.chance(0.02)) headers.push(['x-oauth-token', 'x']);
    if (draw.chance(0.05)) headers.push(['cache-control', 'no-cache']);
    if (draw.chance(0.02)) headers.push(['origin', draw.pick(['https://evil.example', 'null'])]);
    return headers;
  }
}

/** A token whose parts were changed, left out, or put together anew. */
export function mutatedToken(token: string, draw: Draw): string {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return draw.pick<() => string>([
    () => mutatedText(token, draw),
    () => `${part({ alg: 'none', typ: 'JWT' })}.${payload}.`,
    () => `${part({ alg: 'HS384', typ: 'JWT' })}.${payload}.${signature}`,
    () => `${header}.${part({ iss: 'tributary-signer', jti: 'x', sub: 'x', iat: 0, exp: 9_999_999_999, creators: null })}.${signature}`,
    () => `${header}.${payload}.${signature.slice(0, -1)}`,
    () => `${token}.${payload}`,
    () => `${header}..${signature}`,
    () => `${header}.${mutatedText(Buffer.from(payload, 'base64url').toString(), draw)}.${signature}`,
  ])();
}

/** Whether the route is about this parameter. */
function isNamed(path: string, name: string): boolean {
  if (path.endsWith('/sign_url') || path.endsWith('/eulerstream')) return name === 'url';
  if (path.endsWith('/tokens')) return name === 'expiresInSeconds';
  if (path.endsWith('/create')) return name === 'expireAfter' || name === 'websockets';
  if (path.endsWith('/bulk_live_check')) return name === 'user_numeric_ids';
  if (path === '/webcast/fetch' || path.endsWith('/gift_info')) return name === 'room_id';
  return /^\/webcast\/room_(id|info)$/.test(path) && name === 'uniqueId';
}

function line(text: string): string {
  return text.replace(/[\r\n]/g, '').slice(0, 9_000);
}
