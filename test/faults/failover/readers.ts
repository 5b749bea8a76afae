import type { LiveReader } from '../parts/live-reader.js';
import type { LogState } from './log-state.js';

/** What live readers were given, against what the log of the moment held for them. */
export interface ReaderAccount {
  readers: number;
  visits: number;
  events: number;
  /** Stored for a reader between two positions that it was given, and not given to it: must be 0. */
  missing: number;
  /** Given, and not what the log holds there or not what was asked for: must be 0. */
  foreign: number;
  /** Given twice within one generation: must be 0. */
  twice: number;
  /** Times a position of another generation was honoured: must be 0. */
  untold: number;
  /** Times a position of the same generation was not honoured: must be 0. */
  needless: number;
  /** Times a position was rightly not honoured, and the reader told so. */
  told: number;
  examples: string[];
}

const EXAMPLES = 5;

/**
 * Compares each reader with the log of each generation: `states` are the former databases at the moment they were replaced,
 * the last one is the present.
 */
export function accountReaders(readers: readonly LiveReader[], states: readonly LogState[]): ReaderAccount {
  const total: ReaderAccount = {
    readers: readers.length,
    visits: 0,
    events: 0,
    missing: 0,
    foreign: 0,
    twice: 0,
    untold: 0,
    needless: 0,
    told: 0,
    examples: [],
  };
  // A generation that went on in a younger database has there all that it had.
  const logs = new Map(states.map((state) => [state.generation, state]));
  const present = states.at(-1);
  for (const reader of readers) accountReader(reader, logs, present, total);
  return total;
}

function accountReader(reader: LiveReader, logs: Map<number, LogState>, present: LogState | undefined, total: ReaderAccount): void {
  const example = (what: string) => {
    if (total.examples.length < EXAMPLES) total.examples.push(`${reader.name}: ${what}`);
  };
  const given = new Set<string>();
  total.foreign += reader.strange;
  for (const { cursor, hello, recovered, events, upTo } of reader.visits) {
    total.visits += 1;
    total.events += events.length;
    if (cursor && !recovered) {
      const log = logs.get(cursor.generation);
      if (cursor.generation === hello.generation && cursor.seq <= (log?.survived ?? log?.seq ?? 0)) {
        total.needless += 1;
        example(`position ${cursor.generation}/${cursor.seq} was not honoured`);
      } else total.told += 1;
      // It begins anew, and may get again what it had.
      given.clear();
    }
    if (cursor && recovered && (cursor.generation !== hello.generation || cursor.seq !== hello.seq)) {
      total.untold += 1;
      example(
        `asked to go on from ${cursor.generation}/${cursor.seq}, went on from ${hello.generation}/${hello.seq} as if nothing was lost`,
      );
    }
    const log = logs.get(hello.generation);
    const wanted = new Map(log ? matching(reader, log, hello.seq, upTo.seq) : []);
    for (const { id, seq, generation } of events) {
      const key = `${generation} ${id}`;
      if (given.has(key)) total.twice += 1;
      given.add(key);
      if (wanted.get(seq) !== id || generation !== hello.generation) {
        total.foreign += 1;
        example(`was given ${id} as ${generation}/${seq}, where the log holds ${log?.bySeq.get(seq)?.id ?? 'nothing'}`);
      } else wanted.delete(seq);
    }
    total.missing += wanted.size;
    if (wanted.size > 0)
      example(
        `${wanted.size} events between ${hello.generation}/${hello.seq} and ${upTo.seq} were not given, from ${[...wanted.keys()][0]} on`,
      );
  }
  const { upTo } = reader;
  if (!present || !upTo) return;
  const after = upTo.generation === present.generation ? upTo.seq : 0;
  const left = matching(reader, present, after, present.seq).length;
  total.missing += left;
  if (left > 0)
    example(`the last ${left} events were not given; it stands at ${upTo.generation}/${upTo.seq} of ${present.generation}/${present.seq}`);
}

function matching({ filter }: LiveReader, log: LogState, after: number, upTo: number): [seq: number, id: string][] {
  const found: [number, string][] = [];
  for (const [seq, { id, creatorId, type }] of log.bySeq) {
    if (seq <= after || seq > upTo) continue;
    if (filter.creatorIds && !filter.creatorIds.includes(creatorId)) continue;
    if (filter.type && filter.type !== type) continue;
    found.push([seq, id]);
  }
  return found;
}
