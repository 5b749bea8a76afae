import type { AnswerFault, ConnectBundle, HttpSigner, SignedUrl, SignFailure } from '@tributary/signing';
import {
  type ConnectRequest,
  type Failure,
  type FailureReason,
  type Outcome,
  reasonOfStatus,
  type SignProvider,
  type SignRequest,
} from './provider.js';

export interface RemoteProviderOptions {
  signer: HttpSigner;
  /** Whether a client's session cookies are sent there: the operator of that server could use them. */
  passSessions: boolean;
}

const FAULTS: Record<AnswerFault, FailureReason> = {
  'empty-body': 'empty-body',
  'empty-cursor': 'empty-cursor',
  'missing-cookie': 'missing-cookie',
  undecodable: 'bad-answer',
  'too-large': 'bad-answer',
};

/** Hands requests to Euler Stream or to another server with the same API, such as another Tributary. */
export class RemoteProvider implements SignProvider {
  readonly name = 'remote';

  constructor(private readonly options: RemoteProviderOptions) {}

  async connect(request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
    const { roomId, uniqueId, cursor, cookies, userAgent } = request;
    const refusal = this.refuseSession(cookies);
    if (refusal) return refusal;
    const result = await this.options.signer.fetchBundle({ roomId, uniqueId, cursor, cookies, userAgent }, signal);
    if (!result.ok) return outcomeOf(result);
    return { ok: true, value: { ...result.bundle, provider: this.name } };
  }

  async sign(request: SignRequest, signal: AbortSignal): Promise<Outcome<SignedUrl>> {
    const { url, method, userAgent, cookies, payload, type } = request;
    const refusal = this.refuseSession(cookies);
    if (refusal) return refusal;
    const jar = new Map(cookies.split('; ').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const));
    const result = await this.options.signer.signUrl(
      {
        url: url.href,
        method,
        userAgent,
        sessionId: jar.get('sessionid'),
        ttTargetIdc: jar.get('tt-target-idc'),
        ttwid: jar.get('ttwid'),
        payload,
        type,
      },
      signal,
    );
    return result.ok ? { ok: true, value: result.signed } : outcomeOf(result);
  }

  private refuseSession(cookies: string): Failure | undefined {
    if (this.options.passSessions || !/(?:^|;\s*)(?:sessionid|sessionid_ss|sid_tt|sid_guard)=/.test(cookies)) return undefined;
    return { ok: false, reason: 'unsupported', message: 'session cookies are not passed on (REMOTE_SIGN_SESSIONS)' };
  }
}

function outcomeOf(failure: SignFailure): Failure {
  const { message, retryAfterMs } = failure;
  return { ok: false, reason: reasonOf(failure), message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function reasonOf({ reason, status, fault }: SignFailure): FailureReason {
  if (reason === 'offline') return 'offline';
  if (fault) return FAULTS[fault];
  if (reason === 'timeout') return 'timeout';
  if (status === undefined) return 'connect';
  return status === 200 ? 'bad-answer' : reasonOfStatus(status);
}
