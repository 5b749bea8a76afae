import { backoffMs } from '@tributary/runtime/backoff';
import type { SignFailure } from '@tributary/signing';
import type { SocketFailure } from '@tributary/webcast';
import { BLOCK_BACKOFF, RETRY_BACKOFF } from '../pacing/backoff-bounds.js';

/** The signer's `offline` is checked by two polls, as an offline poll is; the next try comes after this at the earliest. */
const CONFIRM_MS = 2_000;

/** Why a try to connect failed, and how long to wait before the next. */
export interface ConnectFailure {
  reason: string;
  message: string;
  waitMs: number;
  /** Set where TikTok or the signer refused on purpose. Otherwise something failed. */
  block?: 'blocked' | 'gated';
}

/** Tries in a row that failed, by which waits grow. */
export interface FailureCounts {
  /** Failed tries, and connections that were not good. */
  failures: number;
  /** Refusals on purpose. */
  blocks: number;
}

/** The signer gave no bundle. */
export function fromSignFailure({ reason, message, retryAfterMs }: SignFailure, counts: FailureCounts): ConnectFailure {
  if (reason === 'offline') return { reason, message, waitMs: Math.max(CONFIRM_MS, nextWaitMs(counts)) };
  const block = reason === 'blocked' || reason === 'premium' ? 'blocked' : undefined;
  return { reason: `sign-${reason}`, message, block, waitMs: retryAfterMs ?? nextWaitMs(counts, block) };
}

/** The socket did not open. `isGated` answers whether a room that forbids us wants a login. */
export async function fromSocketFailure(
  failure: SocketFailure,
  counts: FailureCounts,
  isGated: () => Promise<boolean>,
): Promise<ConnectFailure> {
  const { message } = failure;
  if (failure.reason !== 'refused') return { reason: `connect-${failure.reason}`, message, waitMs: nextWaitMs(counts) };
  const { refusal, retryAfterMs } = failure;
  const isRefusedOnPurpose = refusal === 'device-blocked' || refusal === 'forbidden' || refusal === 'rate-limited';
  const block = refusal === 'forbidden' && (await isGated()) ? 'gated' : isRefusedOnPurpose ? 'blocked' : undefined;
  return { reason: `connect-${refusal}`, message, block, waitMs: retryAfterMs ?? nextWaitMs(counts, block) };
}

function nextWaitMs({ failures, blocks }: FailureCounts, block?: ConnectFailure['block']): number {
  return block ? backoffMs(blocks, BLOCK_BACKOFF) : backoffMs(failures, RETRY_BACKOFF);
}
