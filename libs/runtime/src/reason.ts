/**
 * The message of an error, for a log line or an answer; never its stack. It includes the cause, or the first of several errors,
 * because a failed fetch has its reason only there.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as { code?: string; message?: string } | undefined;
  const first = error instanceof AggregateError ? (error.errors[0] as Error | undefined)?.message : undefined;
  return [error.message, cause?.code ?? cause?.message, first].filter(Boolean).join(': ') || error.name;
}
