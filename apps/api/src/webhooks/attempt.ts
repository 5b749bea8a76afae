import type { Endpoint } from './endpoint.js';
import type { Entry } from './entry.js';
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

/** What is sent: whose, under which id, in which form. */
export interface AttemptContent {
  id: string;
  entries: readonly { json: string }[];
  replayId?: string;
}

/** Sends the attempts of one endpoint in one version of its settings. */
export class Sender {
  private readonly signer: Signer;
  private readonly target: Target;
  private readonly fixed: Record<string, string>;
  private readonly shown: Record<string, string>;

  constructor(
    private readonly endpoint: Pick<Endpoint, 'url' | 'secrets' | 'signatures' | 'headers' | 'timeoutMs' | 'batch'>,
    private readonly http: GuardedHttp,
  ) {
    this.signer = new Signer(endpoint.secrets, endpoint.signatures);
    const target = readTarget(endpoint.url);
    if (typeof target === 'string') throw new Error(`the stored URL of an endpoint is not ${target}`);
    this.target = target;
    this.fixed = { ...endpoint.headers, 'user-agent': USER_AGENT };
    this.shown = { ...this.fixed };
    for (const name of Object.keys(endpoint.headers)) this.shown[name] = HIDDEN;
  }

  /** Makes one attempt, signed for this moment. */
  async send({ id, entries, replayId }: AttemptContent): Promise<{ outcome: Outcome; record: AttemptRecord }> {
    const at = Date.now();
    const timestamp = Math.floor(at / 1_000);
    // Cut as a batch it stays one, whatever the settings say by now.
    const batch = this.endpoint.batch !== undefined || entries.length > 1;
    const body = batch ? `[${entries.map(({ json }) => json).join(',')}]` : entries[0]!.json;
    const own: Record<string, string> = {
      'content-type': batch ? BATCH_CONTENT_TYPE : CONTENT_TYPE,
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': this.signer.sign(id, timestamp, body, at),
      ...(replayId ? { 'webhook-replay': replayId } : {}),
    };
    const { target, fixed, endpoint } = this;
    const outcome = await this.http.send({ target, method: 'POST', headers: { ...fixed, ...own }, body, timeoutMs: endpoint.timeoutMs });
    const { category, status, latencyMs, headers, body: answer } = outcome;
    return {
      outcome,
      record: {
        at,
        latencyMs,
        ...(status === undefined ? {} : { status }),
        ...(category ? { category } : {}),
        events: entries.length,
        request: { url: endpoint.url, headers: { ...this.shown, ...own }, bytes: Buffer.byteLength(body) },
        response: { headers, body: answer },
      },
    };
  }
}
