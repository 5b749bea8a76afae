import { cpus, totalmem } from 'node:os';
import type { RunOptions } from './run-options.js';

/** The machine a number was measured on, in one line. */
export function machine(): string {
  return `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`;
}

/** Lines of a table, columns as wide as they need to be; numbers to the right. */
export function table(rows: Record<string, string | number>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const width = (column: string) => Math.max(column.length, ...rows.map((row) => String(row[column] ?? '').length));
  const line = (cells: (string | number)[]) =>
    cells
      .map((cell, i) => (typeof cell === 'number' ? String(cell).padStart(width(columns[i]!)) : cell.padEnd(width(columns[i]!))))
      .join('  ')
      .trimEnd();
  return [
    line(columns),
    line(columns.map((column) => '-'.repeat(width(column)))),
    ...rows.map((row) => line(columns.map((column) => row[column] ?? ''))),
  ].join('\n');
}

/** A source of numbers in [0, 1) that a seed makes repeatable (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Ends a run: the document on standard output (alone, with `--json`), the text otherwise, and a non-zero exit code when a
 * bar was not met.
 */
export function finish(options: RunOptions, document: object, text: string, failures: string[]): void {
  if (options.json) process.stdout.write(`${JSON.stringify({ machine: machine(), ...document, failures }, null, 2)}\n`);
  else
    process.stdout.write(
      `${text}\n\n${failures.length === 0 ? 'every bar was met' : failures.map((failure) => `NOT MET: ${failure}`).join('\n')}\n`,
    );
  process.exitCode = failures.length === 0 ? 0 : 1;
}
