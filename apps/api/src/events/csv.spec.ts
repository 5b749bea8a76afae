import { describe, expect, it } from '@jest/globals';
import { csvHead, csvLine } from './csv.js';
import { envelopeOf } from './envelopes.js';

const event = (data: object, over: object = {}) =>
  envelopeOf(
    { seq: 1, id: 'r-1', type: 'tiktok.live.chat', creatorId: 'cr_1', handle: 'h', roomId: 'r', time: 0, receivedAt: 0, data, ...over },
    [{ generation: 1, startedAtSeq: 0 }],
  );
const FORMS = [{ spreadsheet: false }, { spreadsheet: true }] as const;
const COLUMNS = csvHead({ spreadsheet: false }).trim().split(',');

/** Reads one CSV line the way RFC 4180 says. */
function read(line: string): string[] {
  return [...line.replace(/\r\n$/, '').matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,"]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? '',
  );
}

const named = (line: string): Record<string, string> => Object.fromEntries(read(line).map((cell, i) => [COLUMNS[i]!, cell]));

describe.each(FORMS)('a CSV line (spreadsheet: $spreadsheet)', (form) => {
  it('has one cell for each column of the head, whatever the data holds', () => {
    for (const comment of ['plain', 'a,b', '"quoted"', 'two\nlines', '🎉', '']) {
      const cells = read(csvLine(event({ user: { id: '1', uniqueId: 'u' }, comment }), form));
      expect(cells).toHaveLength(COLUMNS.length);
      expect(JSON.parse(cells.at(-1)!)).toEqual({ user: { id: '1', uniqueId: 'u' }, comment });
    }
  });

  it('starts no cell with what a spreadsheet takes for a formula', () => {
    for (const evil of ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', ' =1', '\u00a0@a', '＝1+1', '＠a', '-', '=']) {
      const cells = read(
        csvLine(event({ user: { id: evil, uniqueId: evil } }, { handle: evil, roomId: evil, id: evil, type: evil, creatorId: evil }), form),
      );
      expect(cells).toHaveLength(COLUMNS.length);
      for (const cell of cells) expect(cell).not.toMatch(/^\s*[=+\-@＝＋－＠]|^[\t\r\n]/);
    }
  });
});

describe('a CSV line for a spreadsheet', () => {
  const form = { spreadsheet: true };

  it('begins with a byte order mark in its head, and only there', () => {
    expect(csvHead(form)).toBe(`\ufeff${csvHead({ spreadsheet: false })}`);
    expect(csvLine(event({}), form)).not.toContain('\ufeff');
  });

  it('keeps every digit of an id, and every handle as it is: no cell of theirs is a number or a date', () => {
    const data = { user: { id: '6890000000000000001', uniqueId: '1e5' } };
    const line = csvLine(event(data, { roomId: '7540589352666090247', handle: 'may1' }), form);
    expect(named(line)).toMatchObject({ roomid: "'7540589352666090247", user_id: "'6890000000000000001", user: "'1e5", creator: "'may1" });
    // Without the form they stay what programs expect.
    expect(named(csvLine(event(data, { roomId: '7540589352666090247', handle: 'may1' }), { spreadsheet: false }))).toMatchObject({
      roomid: '7540589352666090247',
      user_id: '6890000000000000001',
      user: '1e5',
      creator: 'may1',
    });
  });

  it('leaves a cell empty where there is no viewer, and cuts one that Excel would break', () => {
    const long = { comment: 'x'.repeat(40_000) };
    const cells = named(csvLine(event(long), form));
    expect(cells).toMatchObject({ user_id: '', user: '' });
    expect(cells.data).toHaveLength(32_767);
    expect(cells.data).toMatch(/x\.\.\.$/);
    expect(named(csvLine(event(long), { spreadsheet: false })).data).toBe(JSON.stringify(long));
  });
});
