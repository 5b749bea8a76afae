import { bundleFault, type ConnectBundle, type SignedUrl } from '@tributary/signing';

/** Providers by name, as in the setting `SIGN_PROVIDERS`. */
export const PROVIDER_NAMES = ['page', 'page-sign', 'anonymous', 'remote', 'simulator'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

/** Operations of a provider. Each has its own breaker and figures. */
export type Operation = 'connect' | 'sign';

/**
 * Every way in which a provider can fail to answer; the label of its metrics.
 * `empty-body`, `empty-cursor`, `missing-cookie` come with status 200: TikTok's usual way of refusing a session.
 * `browser`: Chromium is not there, or died. `crash`: a bug. `busy`: too many requests wait for this provider.
 */
export const FAILURE_REASONS = [
  'empty-body',
  'empty-cursor',
  'missing-cookie',
  'bad-answer',
  'http-401',
  'http-402',
  'http-403',
  'http-429',
  'http-4xx',
  'http-5xx',
  'timeout',
  'connect',
  'browser',
  'crash',
  'busy',
  'offline',
  'unsupported',
] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

export interface Failure {
  ok: false;
  reason: FailureReason;
  /** One sentence for people. It carries no query, cookie or key. */
  message: string;
  /** Wait that the other side asked for, in ms. */
  retryAfterMs?: number;
}

export type Outcome<T> = { ok: true; value: T } | Failure;

/** A room to be connected to. */
export interface ConnectRequest {
  roomId: string;
  uniqueId?: string;
  /** Empty for the newest. */
  cursor: string;
  /** The user agent of the client; the provider's own where it named none. */
  userAgent: string;
  /** The client's own cookies, for this request alone. */
  cookies: string;
  /** The client wants nothing that was used before: it could not connect with the last bundle. */
  fresh?: boolean;
}

/** A client's request, in which the user agent is optional. */
export type Asked<T extends { userAgent: string }> = Omit<T, 'userAgent'> & { userAgent?: string };

/** A TikTok URL to be signed, already cleared of former signatures. */
export interface SignRequest {
  url: URL;
  method: string;
  userAgent: string;
  cookies: string;
  payload?: string;
  type?: string;
}

/**
 * One way to get a connect bundle. A provider gives up when the signal aborts, reports every expected failure as an
 * outcome, and throws only for bugs. All providers pass the suite in conformance.ts.
 */
export interface SignProvider {
  readonly name: ProviderName;
  connect(request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>>;
  /** Absent where this way of connecting needs no signatures. */
  sign?(request: SignRequest, signal: AbortSignal): Promise<Outcome<SignedUrl>>;
  /**
   * Called when a client could not connect with this provider's bundle of a room. True when the provider has dropped an old
   * session for it, so that another try uses a new one.
   */
  failed?(request: ConnectRequest, reason: FailureReason): Promise<boolean>;
  close?(): Promise<void>;
}

/** Whether a failure counts against the provider. Failures of the request (creator offline, parameters refused) do not. */
const NOT_ITS_FAULT: ReadonlySet<FailureReason> = new Set<FailureReason>(['offline', 'unsupported', 'http-4xx', 'busy']);
/** Failures that may be about one room only: an age gate, for one, looks like a refused session. */
const MAYBE_THE_ROOM: ReadonlySet<FailureReason> = new Set<FailureReason>([
  'empty-body',
  'empty-cursor',
  'bad-answer',
  'http-403',
  'timeout',
]);

export function isProviderFault(reason: FailureReason): boolean {
  return !NOT_ITS_FAULT.has(reason);
}

export function mayBeTheRoom(reason: FailureReason): boolean {
  return MAYBE_THE_ROOM.has(reason);
}

/** The reason behind a status that is not 200. */
export function reasonOfStatus(status: number): FailureReason {
  if (status === 401 || status === 402 || status === 403 || status === 429) return `http-${status}`;
  return status >= 500 ? 'http-5xx' : 'http-4xx';
}

/** Asks a provider for a bundle and refuses one that no client could connect with: status 200 alone says nothing. */
export async function connectBy(provider: SignProvider, request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
  const judge = (outcome: Outcome<ConnectBundle>) => (outcome.ok ? judgeBundle(outcome.value) : outcome);
  const first = judge(await provider.connect(request, signal));
  if (first.ok || !(await provider.failed?.(request, first.reason)) || signal.aborted) return first;
  const second = judge(await provider.connect(request, signal));
  if (!second.ok) await provider.failed?.(request, second.reason);
  return second;
}

/** Failures that mean that TikTok does not trust the session. */
const DISTRUST: ReadonlySet<FailureReason> = new Set<FailureReason>(['empty-body', 'empty-cursor', 'http-403']);

export function isDistrust(reason: FailureReason): boolean {
  return DISTRUST.has(reason);
}

function judgeBundle(bundle: ConnectBundle): Outcome<ConnectBundle> {
  if (!/^[\x20-\x7e]*$/.test(bundle.cookies)) return { ok: false, reason: 'bad-answer', message: 'the cookies are not a header value' };
  const fault = bundleFault(bundle.fetchResult, bundle.cookies);
  if (fault === undefined) return { ok: true, value: bundle };
  const reason = fault === 'undecodable' || fault === 'too-large' ? 'bad-answer' : fault;
  return { ok: false, reason, message: `the bundle has a fault: ${fault}` };
}
