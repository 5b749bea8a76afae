import type { Position } from '@tributary/log';
import type { LiveReader } from '../parts/live-reader.js';
import type { LogState } from './log-state.js';

/** Comparison of the events of live readers with the log at that time. */
export interface ReaderAccount {
  readers: number;
  visits: number;
  events: number;
  /** Events of a reader between two of its positions that it did not get: must be 0. */
  missing: number;
  /** Events that differ from the log at their position, or that the reader did not ask for: must be 0. */
  foreign: number;
  /** Events that it got twice within one generation: must be 0. */
  twice: number;
  /** Times a position was honoured although the log before it differs, or the stream did not continue from it: must be 0. */
  wronglyHonoured: number;
  /** Times a position of the same generation was not honoured: must be 0. */
  needless: number;
  /** Times a position was rightly not honoured, and the reader was informed. */
  restartsReported: number;
  examples: string[];
}

const EXAMPLES = 5;
/** A database takes its place a moment before its readers come. */
const SLACK_MS = 100;

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
    wronglyHonoured: 0,
    needless: 0,
    restartsReported: 0,
    examples: [],
  };
  // A generation that continued in a newer database has all its events there.
  const logs = new Map(states.map((state) => [state.generation, state]));
  for (const reader of readers) accountReader(reader, states, logs, total);
  return total;
}

function accountReader(reader: LiveReader, states: readonly LogState[], logs: Map<number, LogState>, total: ReaderAccount): void {
  const example = (what: string) => {
    if (total.examples.length < EXAMPLES) total.examples.push(`${reader.name}: ${what}`);
  };
  const given = new Set<string>();
  total.foreign += reader.strange;
  for (const { at, cursor, hello, recovered, events, upTo } of reader.visits) {
    total.visits += 1;
    total.events += events.length;
    if (cursor) {
      const known = cursor.seq <= reach(cursor, at, states);
      const goesOn = cursor.seq === hello.seq;
      if (recovered ? !known || !goesOn : known && cursor.generation === hello.generation) {
        total[recovered ? 'wronglyHonoured' : 'needless'] += 1;
        example(
          `asked to go on from ${cursor.generation}/${cursor.seq}, went on from ${hello.generation}/${hello.seq}, recovered: ${recovered}`,
        );
      } else if (!recovered) {
        total.restartsReported += 1;
        // The reader starts again, and may get events again.
        given.clear();
      }
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
  const present = states.at(-1);
  if (!present || !upTo) return;
  const after = upTo.generation === present.generation ? upTo.seq : 0;
  const left = matching(reader, present, after, present.seq).length;
  total.missing += left;
  if (left > 0)
    example(`the last ${left} events were not given; it stands at ${upTo.generation}/${upTo.seq} of ${present.generation}/${present.seq}`);
}

/** The number up to which the present log equals that of a position's generation; later events were lost. */
function reach({ generation }: Position, at: number, states: readonly LogState[]): number {
  const last = states.findLastIndex((state) => state.generation === generation);
  if (last === -1) return 0;
  const gone = states.slice(last).flatMap(({ replaced }) => (replaced && replaced.at <= at + SLACK_MS ? [replaced.survived] : []));
  return Math.min(Infinity, ...gone);
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
