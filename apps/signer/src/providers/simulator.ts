import { type ConnectBundle, cookiePairs, type SignedUrl } from '@tributary/signing';
import { fetchBundleBytes, imFetchUrl } from '../tiktok/im-fetch.js';
import { statusFailure, type Upstream } from '../tiktok/upstream.js';
import type { Visitors } from '../tiktok/visitor.js';
import type { ConnectRequest, FailureReason, Outcome, SignProvider, SignRequest } from './provider.js';

export interface SimulatorProviderOptions {
  upstream: Upstream;
  visitors: Visitors;
  /** The simulator. */
  webcastUrl: string;
}

/** Signs for the bundled simulator: it asks the simulator for the signature and then fetches the bundle as a page would. */
export class SimulatorProvider implements SignProvider {
  readonly name = 'simulator';

  constructor(private readonly options: SimulatorProviderOptions) {}

  async connect(request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
    const { upstream, webcastUrl, visitors } = this.options;
    const { userAgent, roomId } = request;
    const visitor = await visitors.cookies(request, signal);
    if (!visitor.ok) return visitor;
    const cookies = visitor.value;
    const url = imFetchUrl(webcastUrl, request);
    const signed = await this.sign({ url, method: 'GET', userAgent, cookies }, signal);
    if (!signed.ok) return signed;
    const fetched = await fetchBundleBytes(upstream, signed.value.signedUrl, { userAgent, cookies }, signal);
    if (!fetched.ok) return fetched;
    const { bytes, setCookies } = fetched.value;
    return {
      ok: true,
      value: {
        fetchResult: bytes,
        cookies: cookiePairs(cookies, ...setCookies.map((line) => line.split(';', 1)[0] ?? '')),
        roomId,
        userAgent,
        provider: this.name,
      },
    };
  }

  close(): Promise<void> {
    return this.options.upstream.close();
  }

  failed(request: ConnectRequest, reason: FailureReason): Promise<boolean> {
    return this.options.visitors.judge(request, reason);
  }

  async sign({ url, userAgent }: SignRequest, signal: AbortSignal): Promise<Outcome<SignedUrl>> {
    const answer = await this.options.upstream.ask(new URL('/sim/sign', this.options.webcastUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: url.href, userAgent }),
      signal,
    });
    if (!answer.ok) return answer;
    const failure = statusFailure(answer, "the simulator's signature");
    if (failure) return failure;
    const signed = readSigned(answer.body);
    if (!signed) return { ok: false, reason: 'bad-answer', message: 'the simulator answered no signed URL' };
    return { ok: true, value: { ...signed, userAgent } };
  }
}

function readSigned(body: Buffer): { signedUrl: string; tokens: Record<string, string> } | undefined {
  try {
    const { signedUrl, tokens } = JSON.parse(body.toString('utf8')) as { signedUrl?: unknown; tokens?: unknown };
    if (typeof signedUrl !== 'string' || typeof tokens !== 'object' || tokens === null) return undefined;
    const texts = Object.entries(tokens).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
    return texts.length > 0 ? { signedUrl, tokens: Object.fromEntries(texts) } : undefined;
  } catch {
    return undefined;
  }
}
