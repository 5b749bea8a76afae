import { decodeCursor, encodeCursor, type Position } from '@tributary/log';
import { Problem } from '@tributary/runtime';
import { type Head, lastValidSeqOf } from '../store/writer/generations.js';

/** Whether a position can still be gone on from. `lost` says why it cannot. */
export type CursorVerdict = { kind: 'good'; position: Position } | { kind: 'lost'; reason: 'restored' | 'expired' };

const LOST = {
  restored: 'it belongs to a state of the log that is gone: the database was restored from a backup or made anew',
  expired: 'events after it are no longer kept',
};

/**
 * Reads a cursor given in `field` and judges it against the log.
 * @throws Problem naming the field when the text is no cursor at all.
 */
export function judgeCursor(text: string, head: Head, field: string): CursorVerdict {
  const position = decodeCursor(text);
  if (!position) throw Problem.badField(field, 'a position given by this API: the `next` of a page, or the `position` of an event');
  // Beyond that it was given by a log that had more than this one, or other events there.
  if (position.seq > lastValidSeqOf(head, position.generation)) return { kind: 'lost', reason: 'restored' };
  if (!position.descending && position.seq < head.oldestSeq - 1) return { kind: 'lost', reason: 'expired' };
  return { kind: 'good', position };
}

/**
 * The same for a reader that goes on in log order.
 * @throws Problem naming the field for what is no cursor, and for one of a list in descending order.
 */
export function judgeAscending(text: string, head: Head, field: string): CursorVerdict {
  const verdict = judgeCursor(text, head, field);
  if (verdict.kind === 'good' && verdict.position.descending)
    throw Problem.badField(field, 'a position in ascending order; this one is from a list with order=desc');
  return verdict;
}

/**
 * The bounds of a page that goes on from `cursor`.
 * @throws Problem 400 for a cursor of the other direction, 410 for one that cannot be honoured, both naming `cursor`.
 */
export function boundsOf(cursor: string | undefined, order: 'asc' | 'desc', head: Head): { after?: number; before?: number } {
  if (cursor === undefined) return {};
  if (order === 'asc') return { after: positionAfter(cursor, head, 'cursor') };
  const verdict = judgeCursor(cursor, head, 'cursor');
  if (verdict.kind === 'good') return { before: verdict.position.seq };
  if (verdict.reason === 'restored') throw goneCursor('restored', 'cursor');
  return { before: 0 };
}

/**
 * The number after which a reader in log order goes on from `cursor`.
 * @throws Problem 400 for a cursor of the other direction, 410 for one that cannot be honoured, both naming the field.
 */
export function positionAfter(cursor: string, head: Head, field: string): number {
  const verdict = judgeAscending(cursor, head, field);
  if (verdict.kind === 'lost') throw goneCursor(verdict.reason, field);
  return verdict.position.seq;
}

/** 410: start again without a cursor; what came in between cannot be given. */
export function goneCursor(reason: 'restored' | 'expired', field: string): Problem {
  return new Problem(reason === 'expired' ? 'position-expired' : 'position-restored', `${field}: ${LOST[reason]}`, {
    errors: [{ field, expected: 'a position that can still be honoured' }],
    reason,
  });
}

/**
 * `next` of a page: how far it looked while there is more, else the head of the log as the query saw it, so that a
 * reader goes on from there without looking at anything twice.
 */
export function nextCursor(page: { reached: number; head: number; more: boolean }, order: 'asc' | 'desc', generation: number): string {
  const seq = page.more ? page.reached : page.head;
  return encodeCursor({ generation, seq, ...(order === 'desc' ? { descending: true } : {}) });
}
