import { reasonOf } from '@tributary/runtime/reason';

/**
 * What a handler did with a batch of the log. `done`: it is committed (inbox) or delivered (feed). `superseded`: another
 * writer has moved the head, so the reader continues from the stored positions. `failed`: the batch comes again.
 */
export type BatchOutcome = { kind: 'done' } | { kind: 'superseded' } | { kind: 'failed'; reason: string };

/** Runs a handler's work. An error becomes `failed`: rejections would reach Nest, which hides their reason and logs each one. */
export async function outcomeOf(work: () => Promise<BatchOutcome> | BatchOutcome): Promise<BatchOutcome> {
  try {
    return await work();
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error) };
  }
}

/** The outcome that a handler returned through Nest. Any other value is a bug of the handler, and counts as a failure. */
export function readOutcome(value: unknown): BatchOutcome {
  if (isOutcome(value)) return value;
  return { kind: 'failed', reason: `the handler returned ${typeof value} and no outcome; this is a bug` };
}

/** The failure behind a rejection. Nest rejects with a plain object where a guard, a pipe or the handler itself has thrown. */
export function failureOf(rejection: unknown): BatchOutcome {
  const isPlain = typeof rejection === 'object' && rejection !== null && !(rejection instanceof Error);
  const message = isPlain && 'message' in rejection ? rejection.message : undefined;
  const reason = typeof message === 'string' ? `the handler threw inside Nest (${message}); this is a bug` : reasonOf(rejection);
  return { kind: 'failed', reason };
}

function isOutcome(value: unknown): value is BatchOutcome {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  if (value.kind === 'failed') return 'reason' in value && typeof value.reason === 'string';
  return value.kind === 'done' || value.kind === 'superseded';
}
