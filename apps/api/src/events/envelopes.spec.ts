import { describe, expect, it } from '@jest/globals';
import { CSV_HEAD, csvLine, envelopeOf } from './envelopes.js';

const event = (data: object, over: object = {}) =>
  envelopeOf(
    { seq: 1, id: 'r-1', type: 'tiktok.live.chat', creatorId: 'cr_1', handle: 'h', roomId: 'r', time: 0, receivedAt: 0, data, ...over },
    [{ generation: 1, startedAtSeq: 0 }],
  );

/** Reads one CSV line the way RFC 4180 says. */
function read(line: string): string[] {
  return [...line.replace(/\r\n$/, '').matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,"]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

describe('csvLine', () => {
  it('has one cell for each column of the head, whatever the data holds', () => {
    for (const comment of ['plain', 'a,b', '"quoted"', 'two\nlines', '🎉', '']) {
      const cells = read(csvLine(event({ user: { id: '1', uniqueId: 'u' }, comment })));
      expect(cells).toHaveLength(CSV_HEAD.trim().split(',').length);
      expect(JSON.parse(cells.at(-1)!)).toEqual({ user: { id: '1', uniqueId: 'u' }, comment });
    }
  });

  it('starts no cell with what a spreadsheet takes for a formula', () => {
    for (const evil of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1']) {
      const cells = read(csvLine(event({ user: { uniqueId: evil } }, { handle: evil })));
      for (const cell of cells) expect(cell).not.toMatch(/^[=+\-@\t\r]/);
    }
  });
});
