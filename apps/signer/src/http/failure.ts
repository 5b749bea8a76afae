import type { Attempt } from '../failover/provider-operation.js';
import type { FailureReason } from '../providers/provider.js';
import { type AnswerReason, SignError } from './answer.js';

/** Kinds of failure in the order in which they decide the answer: what a client can act upon comes first. */
const KINDS: { kind: AnswerReason; status: number; of: FailureReason[]; text: string }[] = [
  { kind: 'offline', status: 404, of: ['offline'], text: 'the creator is not live at the moment' },
  { kind: 'rate-limited', status: 429, of: ['http-429'], text: 'every way of signing is used up or limited for now' },
  { kind: 'premium', status: 402, of: ['http-402'], text: 'the remote sign server asks for a paid plan for this request' },
  {
    kind: 'blocked',
    status: 503,
    of: ['empty-body', 'empty-cursor', 'missing-cookie', 'http-403'],
    text: 'TikTok refuses the sessions of this signer for now',
  },
  { kind: 'timeout', status: 504, of: ['timeout'], text: 'no provider answered in time' },
  { kind: 'bad-answer', status: 502, of: ['bad-answer', 'http-4xx'], text: 'the providers answered something that cannot be used' },
  {
    kind: 'unavailable',
    status: 503,
    of: ['connect', 'http-5xx', 'http-401', 'browser', 'crash'],
    text: 'no provider can be reached at the moment',
  },
  { kind: 'unavailable', status: 503, of: ['busy'], text: 'more requests wait than can be served in time' },
  { kind: 'unsupported', status: 403, of: ['unsupported'], text: 'no configured provider takes this request' },
];

/** The one answer for a request that no provider could serve. It names each provider and its reason. */
export function failureOf(attempts: Attempt[]): SignError {
  const kind = KINDS.find(({ of }) => attempts.some(({ reason }) => of.some((one) => one === reason)));
  if (!kind) return new SignError(503, 'unavailable', 'no provider could be asked within the time for one request');
  const details = attempts.map(({ provider, reason, message }) => `${provider}: ${message === '' ? reason : message}`).join('; ');
  const waits = attempts.flatMap(({ retryAfterMs }) => (retryAfterMs === undefined ? [] : [retryAfterMs]));
  // The client may ask again as soon as the first provider may be tried; one without a wait may be tried at once.
  const retryAfterMs = waits.length === attempts.length || kind.status === 429 ? Math.min(...waits) : undefined;
  return new SignError(
    kind.status,
    kind.kind,
    `${kind.text} (${details})`,
    Number.isFinite(retryAfterMs) ? retryAfterMs : undefined,
    kind.status === 429 ? { limit_label: 'provider' } : {},
  );
}
