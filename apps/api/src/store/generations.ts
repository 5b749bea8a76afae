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
export function reachOf({ generation: present, seq, history }: Head, generation: number): number {
  if (generation === present) return seq;
  if (!history.some((one) => one.generation === generation)) return -1;
  const later = history.filter((one) => one.generation > generation).map(({ startedAtSeq }) => startedAtSeq);
  return Math.min(seq, ...later);
}
