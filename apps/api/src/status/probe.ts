import { reasonOf } from '@tributary/runtime';

/** What one part of the system answered: its facts, or why there are none. */
export type Probed<T extends object> = ({ ok: true } & T) | { ok: false; reason: string };

/** Asks one part of the system, for at most `timeoutMs`: one that is away must not keep the others from being shown. */
export async function probe<T extends object>(timeoutMs: number, ask: (signal: AbortSignal) => Promise<T>): Promise<Probed<T>> {
  const giveUp = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      giveUp.abort();
      reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  const asked = ask(giveUp.signal);
  try {
    return { ok: true, ...(await Promise.race([asked, late])) };
  } catch (error) {
    asked.catch(() => undefined);
    return { ok: false, reason: reasonOf(error) };
  } finally {
    clearTimeout(timer);
  }
}
