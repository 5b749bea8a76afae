import type { Fault } from '../engine/campaign.js';
import type { Draw } from '../engine/draw.js';
import type { AttackedStack } from '../http/attacked-stack.js';
import { judgeProblem, parsed } from '../http/problem-judge.js';
import type { Protocol } from '../http/process-target.js';
import type { HttpRequest } from '../http/request.js';
import type { WireAnswer } from '../http/wire-client.js';
import { SignRequestMaker, type SignValues } from './requests.js';
import { SIGN_ROUTES } from './routes.js';

const REASONS = new Set([
  ...['offline', 'rate-limited', 'blocked', 'premium', 'unavailable', 'timeout', 'bad-answer', 'not-found', 'bad-request', 'unauthorized'],
  ...['forbidden', 'unsupported'],
]);
/** Failures of what the signer asks, which its documentation has. */
const UPSTREAM = new Set([501, 502, 503, 504]);
const MESSAGE_LENGTH_MIN = 20;

/** The signer: requests to every route, answers as its clients rely on them. Its one provider is the simulator. */
export class SignProtocol implements Protocol {
  readonly routes = SIGN_ROUTES.map(({ method, path }) => `${method} ${path}`);
  private readonly requests: SignRequestMaker;

  private constructor(
    private readonly url: string,
    private readonly values: SignValues,
  ) {
    this.requests = new SignRequestMaker(values, new URL(url).host);
  }

  static async start({ stack }: AttackedStack): Promise<SignProtocol> {
    const { signer, simulator } = stack.urls;
    const handles = ['luna.bakes', 'dj_orbit', 'kaito.sketch', 'nobody.here'];
    const rooms: string[] = [];
    for (const handle of handles.slice(0, 3)) {
      const { room_id: room } = (await (await fetch(`${signer}/webcast/anchors/${handle}/room_id`)).json()) as { room_id: string };
      rooms.push(room);
    }
    const limited = await stack.call<{ key: string }>('POST', '/v1/keys', { name: 'stack', scopes: ['sign'], creators: ['luna.bakes'] });
    const open = await stack.call<{ key: string }>('POST', '/v1/keys', { name: 'stack', scopes: ['sign'] });
    const tokens: string[] = [];
    for (const [key, body] of [
      [open.key, { expiresInSeconds: 80_000 }],
      [open.key, { expiresInSeconds: 80_000, creators: ['dj_orbit'], limits: { minute: 1_000_000 } }],
      [limited.key, { expiresInSeconds: 80_000, creators: ['luna.bakes'] }],
    ] as const) {
      const answer = await fetch(`${signer}/v1/tokens`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      tokens.push(((await answer.json()) as { token: string }).token);
    }
    const fetchUrl = `${simulator}/webcast/im/fetch/?aid=1988&room_id=${rooms[0]}`;
    const urls = [
      fetchUrl,
      `https://webcast.tiktok.com/webcast/im/fetch/?aid=1988&room_id=${rooms[0]}`,
      'https://www.tiktok.com/@luna.bakes/live',
      `${simulator}/webcast/room/info/?room_id=${rooms[1]}`,
    ];
    const protocol = new SignProtocol(signer, {
      rooms,
      handles,
      userIds: ['5', '7100000000000000001'],
      urls,
      keys: [open.key, limited.key],
      tokens,
    });
    const fault = await protocol.rest();
    if (fault) throw new Error(`${fault.kind}: ${fault.detail}`);
    return protocol;
  }

  make(draw: Draw): HttpRequest {
    return this.requests.make(draw);
  }

  judge(answer: WireAnswer, request: HttpRequest): Fault | undefined {
    const { status, headers, body } = answer;
    if (status < 400) return undefined;
    const isProblem = headers['content-type']?.startsWith('application/problem+json');
    // Of a broken request nobody knows the path.
    const isOfV1 = request.raw === undefined && /^\/+v1\//.test(request.path);
    const fault = isProblem || isOfV1 ? judgeProblem(answer, request) : judgeShort(answer, request);
    if (fault) return fault;
    const isKnown = status < 500 || UPSTREAM.has(status);
    return isKnown ? undefined : { kind: `${request.route}: ${status}`, detail: JSON.stringify({ headers, body: body.slice(0, 400) }) };
  }

  waits(): boolean {
    return false;
  }

  /** Whatever one client asks for, the next one is served: its rooms are signed for, and no breaker is open. */
  async rest(): Promise<Fault | undefined> {
    const [room] = this.values.rooms;
    const key = this.values.keys[0]!;
    const bundle = await fetch(`${this.url}/webcast/rooms/${room}/connect`, { headers: { 'x-api-key': key, 'cache-control': 'no-cache' } });
    const bytes = (await bundle.arrayBuffer()).byteLength;
    if (bundle.status !== 200 || bytes < 100)
      return { kind: 'an honest client is not served', detail: `connect answers ${bundle.status} with ${bytes} bytes` };
    const signed = await fetch(`${this.url}/webcast/sign_url`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ url: this.values.urls[0] }),
    });
    if (signed.status !== 200)
      return {
        kind: 'an honest client gets no signature',
        detail: `sign_url answers ${signed.status} ${(await signed.text()).slice(0, 300)}`,
      };
    const other = await fetch(`${this.url}/webcast/rooms/${this.values.rooms[1]}/connect`, {
      headers: { 'x-api-key': this.values.keys[1]! },
    });
    await other.arrayBuffer();
    return other.status === 403 ? undefined : { kind: 'a limited key reaches another creator', detail: `connect answers ${other.status}` };
  }
}

/** What is wrong with an error in the form that clients of Euler Stream read. */
function judgeShort({ status, headers, body }: WireAnswer, { method, route }: HttpRequest): Fault | undefined {
  const fault = (what: string): Fault => ({
    kind: `${route}: ${status} ${what}`,
    detail: JSON.stringify({ headers, body: body.slice(0, 400) }),
  });
  if (method === 'HEAD') return undefined;
  const error = headers['content-type']?.startsWith('application/json') ? parsed(body) : undefined;
  if (!error) return fault('is no JSON');
  if (error.code !== status) return fault(`has the code ${String(error.code)}`);
  if (typeof error.message !== 'string' || error.message.length < MESSAGE_LENGTH_MIN)
    return fault('has no message that clients can draw a frame around');
  if (/\n\s+at .+:\d+:\d+|node_modules/.test(error.message)) return fault('tells of the code');
  return REASONS.has(String(error.reason)) || status >= 500 ? undefined : fault(`has the reason ${String(error.reason)}`);
}
