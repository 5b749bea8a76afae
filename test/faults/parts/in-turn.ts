/** One thing that a suite runs, and about how long it takes. */
interface Named {
  name: string;
  /** s */
  seconds: number;
}

/** What each run gets: `say` prints a progress line with the time since the start, `signal` aborts when the run is ended. */
export interface TurnContext {
  say: (text: string) => void;
  signal: AbortSignal;
}

/**
 * Runs all of them, `parallel` at a time, the longest first, so that none of those is left for the end. Ctrl-C ends the run, a
 * second one at once.
 * @returns the results of those that ran, in the order given, and whether the run was ended early
 */
export async function runInTurn<T extends Named, R>(
  all: readonly T[],
  parallel: number,
  run: (one: T, context: TurnContext) => Promise<R>,
): Promise<{ results: R[]; wasEnded: boolean }> {
  const startedAt = Date.now();
  const say = (text: string) => {
    const seconds = Math.round((Date.now() - startedAt) / 1_000);
    const time = `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}`;
    process.stderr.write(`${time}  ${text}\n`);
  };
  const ending = new AbortController();
  const { signal } = ending;
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      // The second time it ends at once, and the orphan reaper ends the rest.
      if (signal.aborted) process.exit(130);
      say('stopping everything');
      ending.abort(new Error('the run was ended'));
    });
  const waiting = [...all].sort((a, b) => b.seconds - a.seconds);
  const results = new Map<string, R>();
  const next = async () => {
    for (let one = waiting.shift(); one && !signal.aborted; one = waiting.shift()) results.set(one.name, await run(one, { say, signal }));
  };
  await Promise.all(Array.from({ length: parallel }, next));
  return { results: all.flatMap(({ name }) => results.get(name) ?? []), wasEnded: signal.aborted };
}
