import type { Endpoint } from './endpoint.js';
import type { GuardedHttp } from './guard/guarded-http.js';
import type { FailureCategory, Outcome } from './guard/outcome.js';
import { readTarget, type Target } from './guard/target.js';
import { Signer } from './signature.js';

export const CONTENT_TYPE = 'application/cloudevents+json';
export const BATCH_CONTENT_TYPE = 'application/cloudevents-batch+json';
const USER_AGENT = 'Tributary-Webhooks/1';
/** What is shown in place of a custom header's value, which may be a credential. */
export const HIDDEN = '***';

/** One attempt as it is kept and shown. Times are ms since 1970. */
export interface AttemptRecord {
  at: number;
  latencyMs: number;
  status?: number;
  category?: FailureCategory;
  events: number;
  request: { url: string; headers: Record<string, string>; bytes: number };
  response: { headers: Record<string, string>; body: string };
}

/** What is sent, and under which id. */
export interface AttemptContent {
  id: string;
  entries: readonly { json: string; bytes: Buffer }[];
  replayId?: string;
}

/** An attempt that was made: what came of it, and its record as JSON of an {@link AttemptRecord}. */
export interface Attempt {
  outcome: Outcome;
  record: string;
  events: number;
}

/** Sends the attempts of one endpoint in one version of its settings. */
export class Sender {
  private readonly signer: Signer;
  private readonly target: Target;
  private readonly fixed: readonly string[];
  /** JSON of the part of a record that is the same for every attempt, up to the headers that are not. */
  private readonly recordHead: string;

  constructor(
    private readonly endpoint: Pick<Endpoint, 'url' | 'secrets' | 'signatures' | 'headers' | 'timeoutMs' | 'batch'>,
    private readonly http: GuardedHttp,
  ) {
    this.signer = new Signer(endpoint.secrets, endpoint.signatures);
    const target = readTarget(endpoint.url);
    if (typeof target === 'string') throw new Error(`the stored URL of an endpoint is not ${target}`);
    this.target = target;
    this.fixed = [...Object.entries(endpoint.headers).flat(), 'user-agent', USER_AGENT];
    const shown = { ...Object.fromEntries(Object.keys(endpoint.headers).map((name) => [name, HIDDEN])), 'user-agent': USER_AGENT };
    this.recordHead = `"request":{"url":${JSON.stringify(endpoint.url)},"headers":${JSON.stringify(shown).slice(0, -1)},`;
  }

  /** Makes one attempt, signed for this moment. */
  async send({ id, entries, replayId }: AttemptContent): Promise<Attempt> {
    const at = Date.now();
    const timestamp = String(Math.floor(at / 1_000));
    // Cut as a batch it stays one, whatever the settings say by now.
    const batch = this.endpoint.batch !== undefined || entries.length > 1;
    const body = batch ? Buffer.from(`[${entries.map(({ json }) => json).join(',')}]`) : entries[0]!.bytes;
    const type = batch ? BATCH_CONTENT_TYPE : CONTENT_TYPE;
    const signature = this.signer.sign(id, Number(timestamp), body, at);
    const headers = [...this.fixed, 'content-type', type, 'webhook-id', id, 'webhook-timestamp', timestamp, 'webhook-signature', signature];
    if (replayId) headers.push('webhook-replay', replayId);
    const outcome = await this.http.send({ target: this.target, method: 'POST', headers, body, timeoutMs: this.endpoint.timeoutMs });
    const { category, status, latencyMs } = outcome;
    // Written out by hand: none of these parts needs escaping, and there is one record for every attempt.
    const record =
      `{"at":${at},"latencyMs":${latencyMs},${status === undefined ? '' : `"status":${status},`}${category ? `"category":"${category}",` : ''}` +
      `"events":${entries.length},${this.recordHead}"content-type":"${type}","webhook-id":"${id}","webhook-timestamp":"${timestamp}",` +
      `"webhook-signature":"${signature}"${replayId ? `,"webhook-replay":"${replayId}"` : ''}},"bytes":${body.length}},` +
      `"response":{"headers":${JSON.stringify(outcome.headers)},"body":${outcome.body === '' ? '""' : JSON.stringify(outcome.body)}}}`;
    return { outcome, record, events: entries.length };
  }
}
