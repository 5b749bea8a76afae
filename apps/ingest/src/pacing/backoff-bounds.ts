import type { BackoffBounds } from '@tributary/runtime/backoff';

/** Waits after a connection or poll that failed. */
export const RETRY_BACKOFF: BackoffBounds = { firstMs: 500, maxMs: 60_000 };
/** Waits after a refusal that names no time. */
export const BLOCK_BACKOFF: BackoffBounds = { firstMs: 30_000, maxMs: 1_800_000 };
