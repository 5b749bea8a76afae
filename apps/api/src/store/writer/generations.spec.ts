import { describe, expect, it } from '@jest/globals';
import { generationAt, lastValidSeqOf } from './generations.js';

const history = [
  { generation: 10, startedAtSeq: 0 },
  { generation: 20, startedAtSeq: 100 },
  // A backup was restored: what the generation before had after 50 is gone.
  { generation: 30, startedAtSeq: 50 },
  { generation: 40, startedAtSeq: 200 },
];

describe('the position of an event', () => {
  it('names the generation in which it was stored, and is honoured for as long as the log has it', () => {
    const head = { generation: 40, seq: 300, oldestSeq: 1, history };
    for (const [seq, generation] of [
      [1, 10],
      [50, 10],
      [51, 30],
      [150, 30],
      [200, 30],
      [201, 40],
    ] as const) {
      expect(generationAt(history, seq)).toBe(generation);
      expect(lastValidSeqOf(head, generation)).toBeGreaterThanOrEqual(seq);
    }
  });

  it('read in an earlier generation is never taken for one of the event that has its number now', () => {
    expect(generationAt(history, 150, 20)).toBe(20);
    expect(lastValidSeqOf({ generation: 40, seq: 300, oldestSeq: 1, history }, 20)).toBeLessThan(150);
  });
});
