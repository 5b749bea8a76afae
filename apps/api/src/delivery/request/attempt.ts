import type { Endpoint } from '../endpoint/endpoint.js';
import type { GuardedHttp } from '../../outbound/guarded-http.js';
import type { FailureCategory, Outcome } from '../../outbound/outcome.js';
import { readTarget, type Target } from '../../outbound/target.js';
import { BATCH_CONTENT_TYPE, CONTENT_TYPE } from './content-types.js';
import { Signer } from './signature.js';

const USER_AGENT = 'Tributary-Webhooks/1';
/** What is shown in place of a custom header's value, which may be a credential. */
export const HIDDEN = '***';

/** Custom headers as they are shown. */
export function hiddenValues(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, HIDDEN]));
}

/** One attempt as it is shown. Times are ms since 1970. */
export interface AttemptRecord {
  at: number;
  latencyMs: number;
  status?: number;
  category?: FailureCategory;
  events: number;
  request: { url: string; headers: Record<string, string>; bytes: number };
  response: { headers: Record<string, string>; body: string };
}

/** The same as it is kept: `same` is equal for most attempts of an endpoint, and some headers follow from the rest. */
interface KeptAttempt extends Omit<AttemptRecord, 'request' | 'response'> {
  bytes: number;
  signature: string;
  replay?: string;
  body: string;
  same: { url: string; headers: Record<string, string>; response: Record<string, string> };
}

/** JSON of a kept attempt in two parts, so that what many have in common goes to the database once: its text is `own` + `same`. */
export interface AttemptText {
  own: string;
  same: string;
}

/** What is sent, and under which id. */
export interface AttemptContent {
  id: string;
  entries: readonly { json: string; bytes: Buffer }[];
  /** Whether its body is an array, as it was in the attempts before; missing for a first one. */
  batch?: boolean;
  replayId?: string;
}

/** An attempt that was made: what came of it, and what is kept of it. */
export interface Attempt {
  outcome: Outcome;
  record: AttemptText;
  events: number;
  /** Whether the body was an array. */
  batch: boolean;
}

/** Reads a kept attempt of the delivery `id`. */
export function readAttempt(id: string, text: string): AttemptRecord {
  const { bytes, signature, replay, body, same, ...rest } = JSON.parse(text) as KeptAttempt;
  const headers = {
    ...same.headers,
    'webhook-id': id,
    'webhook-timestamp': unixSeconds(rest.at),
    'webhook-signature': signature,
    ...(replay ? { 'webhook-replay': replay } : {}),
  };
  return { ...rest, request: { url: same.url, headers, bytes }, response: { headers: same.response, body } };
}

/** Sends the attempts of one endpoint in one version of its settings. */
export class AttemptSender {
  private readonly signer: Signer;
  private readonly target: Target;
  private readonly fixed: readonly string[];
  private readonly shown: Record<string, string>;
  /** The last {@link AttemptText.same}, and what it was made of. */
  private same = { type: '', response: {} as Readonly<Record<string, string>>, text: '' };

  constructor(
    private readonly endpoint: Pick<Endpoint, 'url' | 'secrets' | 'signatures' | 'headers' | 'timeoutMs' | 'batch'>,
    private readonly http: Pick<GuardedHttp, 'send'>,
  ) {
    this.signer = new Signer(endpoint.secrets, endpoint.signatures);
    const target = readTarget(endpoint.url);
    if (typeof target === 'string') throw new Error(`the stored URL of an endpoint is not ${target}`);
    this.target = target;
    this.fixed = [...Object.entries(endpoint.headers).flat(), 'user-agent', USER_AGENT];
    this.shown = { ...hiddenValues(endpoint.headers), 'user-agent': USER_AGENT };
  }

  /** Makes one attempt, signed for this moment. */
  async send({ id, entries, batch: before, replayId }: AttemptContent): Promise<Attempt> {
    const at = Date.now();
    const timestamp = unixSeconds(at);
    // What was sent as a batch stays one, whatever the settings are by now.
    const batch = before ?? (this.endpoint.batch !== undefined || entries.length > 1);
    const body = bodyOf(entries, batch);
    const type = batch ? BATCH_CONTENT_TYPE : CONTENT_TYPE;
    const signature = this.signer.sign(id, Number(timestamp), body, at);
    const headers = [...this.fixed, 'content-type', type, 'webhook-id', id, 'webhook-timestamp', timestamp, 'webhook-signature', signature];
    if (replayId) headers.push('webhook-replay', replayId);
    const outcome = await this.http.send({ target: this.target, method: 'POST', headers, body, timeoutMs: this.endpoint.timeoutMs });
    const { category, status, latencyMs } = outcome;
    // Written out by hand: none of these parts needs escaping, and there is one for every attempt.
    const own =
      `{"at":${at},"latencyMs":${latencyMs},${status === undefined ? '' : `"status":${status},`}${category ? `"category":"${category}",` : ''}` +
      `"events":${entries.length},"bytes":${body.length},"signature":"${signature}",${replayId ? `"replay":"${replayId}",` : ''}` +
      `"body":${outcome.body === '' ? '""' : JSON.stringify(outcome.body)},"same":`;
    return { outcome, record: { own, same: this.sameOf(type, outcome.headers) }, events: entries.length, batch };
  }

  /** Receivers say the same again and again, but for the second of their clock. */
  private sameOf(type: string, response: Readonly<Record<string, string>>): string {
    if (this.same.type !== type || !areEqual(this.same.response, response)) {
      const text = `${JSON.stringify({ url: this.endpoint.url, headers: { ...this.shown, 'content-type': type }, response })}}`;
      this.same = { type, response, text };
    }
    return this.same.text;
  }
}

/** The body of a request: events as they are, or an array of them. */
export function bodyOf(entries: AttemptContent['entries'], batch: boolean): Buffer {
  return batch ? Buffer.from(`[${entries.map(({ json }) => json).join(',')}]`) : entries[0]!.bytes;
}

function unixSeconds(ms: number): string {
  return String(Math.floor(ms / 1_000));
}

function areEqual(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
