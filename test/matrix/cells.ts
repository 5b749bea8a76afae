import { table } from '@tributary/testing';
import { isLiveStream } from '../fuzz/http/live-media-types.js';

/** What one request was answered. */
export interface Answer {
  status: number;
  /** `code` of a problem, or `reason` of an error of the signer. */
  code: string | undefined;
  headers: Headers;
  /** The body; nothing of a live stream, which is left at once. */
  text: string;
}

/** Sends one request and reads its answer. */
export async function ask(url: string, method: string, headers: Record<string, string> = {}, body?: unknown): Promise<Answer> {
  const leave = new AbortController();
  const response = await fetch(url, {
    method,
    signal: leave.signal,
    redirect: 'manual',
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const type = response.headers.get('content-type') ?? '';
  const isStream = isLiveStream(type);
  const text = isStream ? '' : await response.text();
  if (isStream) leave.abort();
  return { status: response.status, headers: response.headers, text, code: codeOf(type, text) };
}

function codeOf(type: string, text: string): string | undefined {
  if (!type.includes('json') || !text.startsWith('{')) return undefined;
  try {
    const { code, reason } = JSON.parse(text) as { code?: unknown; reason?: unknown };
    return [reason, code].find((value) => typeof value === 'string');
  } catch {
    return undefined;
  }
}

/** What callers got on routes: the cells of a table, by route, then by caller. */
export type Cells = Record<string, Record<string, string>>;

/**
 * Asks every route as every caller; callers go side by side, each asks one route after the other.
 * @param cellOf asks, and says in a word what came of it
 */
export async function fill<R>(
  routes: readonly (readonly [name: string, route: R])[],
  callers: readonly string[],
  cellOf: (route: R, caller: string) => Promise<string>,
): Promise<Cells> {
  const cells: Cells = Object.fromEntries(routes.map(([name]) => [name, {}]));
  await Promise.all(
    callers.map(async (caller) => {
      for (const [name, route] of routes) cells[name]![caller] = await cellOf(route, caller);
    }),
  );
  return cells;
}

/** Prints the cells as a table where `PRINT_MATRIX` is set: `PRINT_MATRIX=1 npm test -- test/matrix`. */
export function print(title: string, cells: Cells): void {
  if (!process.env.PRINT_MATRIX) return;
  const rows = Object.entries(cells).map(([route, row]) => ({ route, ...row }));
  process.stdout.write(`\n${title}\n${table(rows)}\n`);
}
