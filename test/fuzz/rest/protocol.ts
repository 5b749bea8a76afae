import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Fault } from '../engine/campaign.js';
import type { Draw } from '../engine/draw.js';
import type { AttackedStack } from '../http/attacked-stack.js';
import { judgeProblem, parsed } from '../http/problem-judge.js';
import type { Protocol } from '../http/process-target.js';
import type { HttpRequest } from '../http/request.js';
import type { WireAnswer } from '../http/wire-client.js';
import { ApiDescription } from './document.js';
import { Keeper } from './keeper.js';
import { RequestMaker } from './requests.js';

/** Problems that any request may meet before its route is reached. */
const ANYWHERE = new Set([
  'method-not-allowed',
  'malformed-request',
  'malformed-body',
  'body-too-large',
  'path-too-long',
  'unsupported-media-type',
  'host-not-allowed',
  'not-found',
  'unauthorized',
  'request-timeout',
  'headers-too-large',
]);
/** Operations that ask a receiver or a name server that the request names: their answers take as long as these do. */
const WAITING = /^webhooks_(test|create|update)$|^creators_(create|createMany|update)$/;
const DOWN = new Set(['unavailable', 'turned-off']);

/** Rests from one look at what must be untouched to the next. */
const LOOK_EVERY = 4;

/** What must be as it was: the events of the log, and creators that no request names. */
interface Untouched {
  events: string;
  creators: unknown[];
}

/** The REST API: requests by its own description, answers by its own promises. */
export class RestProtocol implements Protocol {
  private rests = 0;

  private constructor(
    private readonly attacked: AttackedStack,
    private readonly description: ApiDescription,
    private readonly keeper: Keeper,
    private readonly requests: RequestMaker,
    private readonly before: Untouched,
  ) {}

  static async start(attacked: AttackedStack): Promise<RestProtocol> {
    const { api } = attacked.stack.urls;
    const description = await ApiDescription.of(api);
    const keeper = await Keeper.start(attacked);
    const requests = new RequestMaker(description, keeper.resources, new URL(api).host);
    return new RestProtocol(attacked, description, keeper, requests, await untouched(attacked));
  }

  get routes(): string[] {
    return this.description.operations.map(({ route }) => route);
  }

  make(draw: Draw): HttpRequest {
    return this.requests.make(draw);
  }

  judge(answer: WireAnswer, request: HttpRequest, isBroken: boolean): Fault | undefined {
    const { status, body } = answer;
    if (status < 400) return isBroken ? undefined : this.judgeGood(answer, request);
    const fault = judgeProblem(answer, request);
    if (fault) return fault;
    const problem = parsed(body);
    const code = typeof problem?.code === 'string' ? problem.code : '';
    const detail = JSON.stringify(body.slice(0, 400));
    if (status >= 500 && !(status === 503 && DOWN.has(code)) && request.method !== 'HEAD')
      return { kind: `${request.route}: ${status} ${code}`, detail };
    const operation = this.operationOf(request);
    if (isBroken || !operation || ANYWHERE.has(code) || request.method === 'HEAD' || operation.statuses.has(status)) return undefined;
    return { kind: `${request.route}: ${status} ${code} is not described`, detail };
  }

  waits({ route }: HttpRequest): boolean {
    const operation = this.description.operations.find((one) => one.route === route);
    return operation !== undefined && WAITING.test(operation.operationId);
  }

  async rest(): Promise<Fault | undefined> {
    await this.keeper.restore();
    if (this.rests++ % LOOK_EVERY !== 0) return undefined;
    const now = await untouched(this.attacked);
    if (now.events !== this.before.events) return { kind: 'stored events have changed', detail: `${this.before.events} -> ${now.events}` };
    if (!isDeepStrictEqual(now.creators, this.before.creators))
      return {
        kind: 'creators that nobody named have changed',
        detail: JSON.stringify({ before: this.before.creators, now: now.creators }),
      };
    return undefined;
  }

  private judgeGood({ status, body, headers }: WireAnswer, request: HttpRequest): Fault | undefined {
    const operation = this.operationOf(request);
    if (!operation || status === 204 || status === 304) return undefined;
    if (!operation.statuses.has(status))
      return { kind: `${request.route}: ${status} is not described`, detail: JSON.stringify(body.slice(0, 400)) };
    const isJson = headers['content-type']?.startsWith('application/json') && request.method !== 'HEAD';
    return isJson && !parsed(body)
      ? { kind: `${request.route}: ${status} is no JSON`, detail: JSON.stringify(body.slice(0, 400)) }
      : undefined;
  }

  private operationOf({ route }: HttpRequest) {
    return this.description.operations.find((one) => one.route === route);
  }
}

async function untouched({ stack, creators }: AttackedStack): Promise<Untouched> {
  const hash = createHash('sha256');
  for (const creator of creators) {
    let more = true;
    for (let cursor = ''; more;) {
      const page = await stack.call<{ data: { id: string; type: string; data: unknown }[]; next: string; more: boolean }>(
        'GET',
        `/v1/events?creator=${creator}&type=tiktok.live.*&limit=1000${cursor}`,
      );
      for (const { id, type, data } of page.data) hash.update(JSON.stringify([id, type, data]));
      more = page.more;
      cursor = `&cursor=${page.next}`;
    }
  }
  const rows = await Promise.all(creators.map((id) => stack.call<Record<string, unknown>>('GET', `/v1/creators/${id}`)));
  return {
    events: hash.digest('hex'),
    creators: rows.map(({ id, uniqueId, paused, options, handles }) => ({ id, uniqueId, paused, options, handles })),
  };
}
