import type { Draw } from '../engine/draw.js';
import { hostileText } from '../engine/hostile.js';
import { mutatedText } from '../engine/mutate.js';
import { encoded, type HttpRequest } from '../http/request.js';
import { bodyBytes, BodyMaker } from './body.js';
import type { ApiDescription, Operation, Schema } from './document.js';
import type { Resources } from './resources.js';

/** Pages and files that the description does not have. */
const OTHER_PATHS: readonly string[] = [
  '/',
  '/docs',
  '/openapi.json',
  '/problems/not-found',
  '/healthz',
  '/readyz',
  '/metrics',
  '/app.js',
  '/v1',
  '/v1/',
  '/v2/events',
  '/favicon.ico',
];
const REMOVES = /^DELETE |\/batch\/remove$/;
const METHODS: readonly string[] = [
  'GET',
  'HEAD',
  'OPTIONS',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'TRACE',
  'PROPFIND',
  'PURGE',
  'LOCK',
  'get',
];
const CONTENT_TYPES: readonly string[] = [
  ...[
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
    'application/json; charset=utf-16',
  ],
  ...[
    'application/JSON',
    'application/merge-patch+json',
    'application/json;',
    '',
    '*/*',
    'application/json, text/plain',
    '\u00e9',
    'application/json\t; x="',
  ],
];

/** Makes requests by the grammar of the API's description: each route, method and parameter, with values real, changed and hostile. */
export class RequestMaker {
  private readonly bodies: BodyMaker;
  private readonly weighted: [number, Operation][];

  constructor(
    private readonly description: ApiDescription,
    private readonly resources: Resources,
    private readonly host: string,
  ) {
    this.bodies = new BodyMaker(description, resources);
    // What is removed is missing until the next rest.
    this.weighted = description.operations.map((one) => [REMOVES.test(one.route) ? 0.15 : 1, one]);
  }

  make(draw: Draw): HttpRequest {
    if (draw.chance(0.03)) return this.elsewhere(draw);
    const operation = draw.weighted(this.weighted);
    const method = draw.chance(0.94) ? operation.method : draw.pick(METHODS);
    const headers = this.headers(draw, operation);
    const sends = operation.body ? draw.chance(0.97) : draw.chance(0.04);
    const body = sends ? bodyBytes(this.bodies.value(operation.body ?? {}, draw, operation.path), draw) : undefined;
    if (body) headers.push(['content-type', draw.chance(0.95) ? 'application/json' : draw.pick(CONTENT_TYPES)]);
    const path = this.path(draw, operation);
    return { method, path, query: this.query(draw, operation), headers, body, route: `${method} ${operation.path}` };
  }

  private elsewhere(draw: Draw): HttpRequest {
    const path = draw.chance(0.7) ? draw.pick(OTHER_PATHS) : `/${sent(hostileText(draw), draw)}`;
    return { method: draw.pick(METHODS), path, query: [], headers: this.headers(draw, undefined), route: 'somewhere else' };
  }

  private path(draw: Draw, { path, parameters }: Operation): string {
    const { webhooks, deliveries, replays } = this.resources;
    const at = draw.below(webhooks.length);
    // Of one endpoint: others have no such delivery.
    const related: Record<string, string | undefined> =
      path.startsWith('/v1/webhooks/') && draw.chance(0.75) ? { id: webhooks[at], delivery: deliveries[at], replay: replays[at] } : {};
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
      const known = related[name];
      if (known !== undefined) return known;
      const { schema } = parameters.find((one) => one.in === 'path' && one.name === name) ?? {};
      const text = schema?.enum && draw.chance(0.8) ? String(draw.pick(schema.enum)) : this.bodies.text(draw, path, name);
      return sent(text, draw) || '%20';
    });
    if (draw.chance(0.98)) return filled;
    return draw.pick([
      `${filled}/`,
      `/${filled}`,
      filled.toUpperCase(),
      `${filled}/${'a'.repeat(600)}`,
      `${filled};v=1`,
      `${filled}%2f..`,
      filled.replace('/v1', '/v1/.'),
    ]);
  }

  private query(draw: Draw, { path, parameters }: Operation): string[] {
    const pairs = parameters
      .filter((one) => one.in === 'query' && draw.chance(0.25))
      .flatMap(({ name, schema }) => {
        const pair = () => `${name}=${sent(this.parameter(draw, path, name, this.description.resolved(schema)), draw)}`;
        if (draw.chance(0.04)) return [pair(), pair()];
        if (draw.chance(0.02))
          return [draw.pick([name, `${name}=`, `${name}[]=${pair()}`, `${name}[a]=b`, `${name.toUpperCase()}=1`, `${name}%00=1`])];
        return [pair()];
      });
    if (draw.chance(0.03))
      pairs.push(
        draw.pick([
          '__proto__=1',
          '__proto__[x]=1',
          'constructor=1',
          'x=y',
          '=',
          '&',
          '%',
          '%zz=1',
          'a=%ff',
          '?',
          `a=${'b'.repeat(9_000)}`,
        ]),
      );
    return pairs;
  }

  private parameter(draw: Draw, path: string, name: string, schema: Schema): string {
    if (schema.enum && draw.chance(0.85)) return String(draw.pick(schema.enum));
    if (schema.type === 'integer' || schema.type === 'number' || schema.type === 'boolean') {
      if (draw.chance(0.8)) return this.bodies.value(schema, draw, path, name);
      return draw.pick(['', '1.5', '1e2', '-1', '0x1', 'NaN', ' 5', '5 ', 'true', 'TRUE', '٣', '9'.repeat(30)]);
    }
    return this.bodies.text(draw, path, name);
  }

  private headers(draw: Draw, operation: Operation | undefined): [string, string][] {
    const { credentials } = this.resources;
    const headers: [string, string][] = [
      ['host', draw.chance(0.99) ? this.host : draw.pick(['localhost', '[::1]', '127.1', 'example.com', 'LOCALHOST:1'])],
    ];
    const key = draw.chance(0.92) ? credentials[0]! : draw.pick(credentials);
    if (draw.chance(0.97)) headers.push(draw.chance(0.9) ? ['authorization', `Bearer ${key}`] : ['x-api-key', key]);
    else if (draw.chance(0.2))
      headers.push([
        'authorization',
        line(draw.pick([`Bearer ${mutatedText(key, draw)}`, 'Basic YTpi', 'Bearer', `Bearer  ${key}  x`, hostileText(draw)])),
      ]);
    for (const { name } of (operation?.parameters ?? []).filter((one) => one.in === 'header'))
      if (draw.chance(0.3)) headers.push([name, line(this.bodies.text(draw, operation!.path, name))]);
    if (draw.chance(0.05)) headers.push(this.odd(draw));
    return headers;
  }

  private odd(draw: Draw): [string, string] {
    return draw.pick<[string, string]>([
      ['accept', draw.pick(['text/html', '*/*;q=0', 'application/xml', 'x'.repeat(2_000)])],
      ['accept-encoding', draw.pick(['gzip', 'br;q=1, *;q=0', 'identity;q=0'])],
      ['range', draw.pick(['bytes=0-', 'bytes=5-1', 'x'])],
      ['if-none-match', draw.pick(['*', '"x"', 'W/'])],
      ['if-modified-since', draw.pick(['Sun, 06 Nov 1994 08:49:37 GMT', 'never'])],
      ['origin', draw.pick(['null', 'https://evil.example', `http://${this.host}`])],
      ['access-control-request-method', draw.pick(['DELETE', 'x'])],
      ['x-forwarded-for', draw.pick(['1.2.3.4', '::1', "' or 1=1", 'a, b, c'])],
      ['x-request-id', line(hostileText(draw))],
      ['x-http-method-override', 'DELETE'],
      ['cookie', line(hostileText(draw))],
      ['content-encoding', draw.pick(['gzip', 'br', 'x'])],
      ['last-event-id', line(hostileText(draw))],
      ['connection', draw.pick(['close', 'keep-alive, x', 'upgrade'])],
      [`x-${'n'.repeat(draw.pick([1, 500]))}`, 'y'.repeat(draw.pick([0, 1, 7_000]))],
    ]);
  }
}

/** A text as it goes into an address: encoded, as most clients do; or raw, as a few do. */
function sent(text: string, draw: Draw): string {
  if (draw.chance(0.96)) return encoded(text).slice(0, 12_000);
  return line(text).replaceAll(' ', '+').slice(0, 3_000);
}

/** What of a text can stand in a line of a request. */
function line(text: string): string {
  return text.replace(/[\r\n]/g, '').slice(0, 7_000);
}
