import type { GuardedHttp } from '../../outbound/guarded-http.js';
import type { Target } from '../../outbound/target.js';

/** What a receiver says when it is asked for its consent (CloudEvents HTTP 1.1 Web Hooks, "abuse protection"). */
export type Consent = { kind: 'granted'; ratePerSecond?: number } | { kind: 'refused'; reason: string };

const TIMEOUT_MS = 10_000;

/** Asks a receiver whether `origin` may send it events. */
export async function askConsent(http: GuardedHttp, target: Target, origin: string, ratePerSecond?: number): Promise<Consent> {
  const outcome = await http.send({
    target,
    method: 'OPTIONS',
    headers: [
      ...['webhook-request-origin', origin],
      ...(ratePerSecond === undefined ? [] : ['webhook-request-rate', String(Math.ceil(ratePerSecond * 60))]),
    ],
    timeoutMs: TIMEOUT_MS,
  });
  if (outcome.category !== undefined) {
    return {
      kind: 'refused',
      reason: `OPTIONS ended with ${outcome.status === undefined ? outcome.category : `status ${outcome.status}`}`,
    };
  }
  const allowed = outcome.headers['webhook-allowed-origin'];
  if (allowed === undefined) return { kind: 'refused', reason: 'the answer to OPTIONS has no WebHook-Allowed-Origin' };
  if (allowed.trim() !== '*' && allowed.trim().toLowerCase() !== origin.toLowerCase()) {
    return { kind: 'refused', reason: `WebHook-Allowed-Origin is neither * nor ${origin}` };
  }
  const perMinute = /^\s*(\d{1,9})\s*$/.exec(outcome.headers['webhook-allowed-rate'] ?? '')?.[1];
  return { kind: 'granted', ...(perMinute === undefined ? {} : { ratePerSecond: Math.max(0.01, Number(perMinute) / 60) }) };
}
