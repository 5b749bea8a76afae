import type { SignFailure } from '@tributary/signing';
import type { SocketFailure } from '@tributary/webcast';

/** Why a try to connect failed, and when the next one is due. */
export interface Setback {
  reason: string;
  message: string;
  waitMs: number;
  /** Refused on purpose, and so waited out; otherwise something failed. */
  block?: 'blocked' | 'gated';
}

/** How long to wait, in ms, after a refusal or another failure. */
type WaitMs = (block?: Setback['block']) => number;

/**
 * A bundle was not to be had. The signer's `offline` is looked at twice, as a poll's is, so it comes back after `confirmMs`,
 * and later each time that polls contradict it.
 */
export function signSetback({ reason, message, retryAfterMs }: SignFailure, confirmMs: number, waitMs: WaitMs): Setback {
  if (reason === 'offline') return { reason, message, waitMs: Math.max(confirmMs, waitMs()) };
  const block = reason === 'blocked' || reason === 'premium' ? 'blocked' : undefined;
  return { reason: `sign-${reason}`, message, block, waitMs: retryAfterMs ?? waitMs(block) };
}

/** A socket was not to be had; `isGated` says whether a room that forbids us wants a login. */
export async function connectSetback(failure: SocketFailure, isGated: () => Promise<boolean>, waitMs: WaitMs): Promise<Setback> {
  const { message } = failure;
  if (failure.reason !== 'refused') return { reason: `connect-${failure.reason}`, message, waitMs: waitMs() };
  const { refusal, retryAfterMs } = failure;
  const isRefusedOnPurpose = refusal === 'device-blocked' || refusal === 'forbidden' || refusal === 'rate-limited';
  const block = refusal === 'forbidden' && (await isGated()) ? 'gated' : isRefusedOnPurpose ? 'blocked' : undefined;
  return { reason: `connect-${refusal}`, message, block, waitMs: retryAfterMs ?? waitMs(block) };
}
