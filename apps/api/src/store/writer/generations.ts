import type { Pool } from 'pg';

/** A generation of the log, and the number of the newest event when it began. */
export interface GenerationStart {
  generation: number;
  startedAtSeq: number;
}

/** Where the log stands, and which generations led there. */
export interface Head {
  generation: number;
  seq: number;
  oldestSeq: number;
  /** Every generation that this database knows, up to the present one. */
  history: readonly GenerationStart[];
}

/**
 * The highest number up to which positions of `generation` name the same events as now: the smallest start of a later one.
 * -1 when this database has never had the generation: then none of its positions can be trusted.
 */
export function lastValidSeqOf({ generation: present, seq, history }: Head, generation: number): number {
  if (generation === present) return seq;
  if (!history.some((one) => one.generation === generation)) return -1;
  const later = history.filter((one) => one.generation > generation).map(({ startedAtSeq }) => startedAtSeq);
  return Math.min(seq, ...later);
}

/**
 * The generation in which an event was stored: the last that began before its number. So an event keeps its position over every
 * later generation, and each of them honours it.
 * @param read the generation in which the event was read: a later one may have lost it, and has another event of this number
 */
export function generationAt(history: readonly GenerationStart[], seq: number, read = Infinity): number {
  for (let i = history.length - 1; i > 0; i--) {
    const one = history[i];
    if (one && one.startedAtSeq < seq && one.generation <= read) return one.generation;
  }
  return history[0]?.generation ?? 0;
}

/** What led to a generation; it never changes, and is read once. */
export class GenerationHistory {
  private known: readonly GenerationStart[] = [];

  constructor(private readonly pool: Pool) {}

  /** Every generation that this database knows, oldest first, up to this one. */
  async upTo(generation: number): Promise<readonly GenerationStart[]> {
    const { known } = this;
    if (known.at(-1)?.generation === generation) return known;
    const { rows } = await this.pool.query<GenerationStart>(
      `select generation::float8 as generation, started_at_seq::float8 as "startedAtSeq" from log_generations
       where generation < $1 union all
       select $1::float8, coalesce((select started_at_seq from log_generations where generation = $1), 0)::float8 order by generation`,
      [generation],
    );
    this.known = rows;
    return rows;
  }
}
