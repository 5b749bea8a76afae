import { describe, expect, it } from '@jest/globals';
import { parseLine, show } from './log-lines.mjs';

const shown = (line: object | string) => show(parseLine(typeof line === 'string' ? line : JSON.stringify(line)));

describe('log lines of the processes', () => {
  it('shows message and fields of a JSON line, without what the prefix says already', () => {
    expect(
      shown({ level: 30, time: 1, name: 'api', pid: 7, msg: 'listening', address: 'http://x', a: { b: 1 }, c: 'two words', d: '' }),
    ).toBe('listening address=http://x a={"b":1} c="two words" d=""');
  });

  it('marks warnings, and gives an error its message and stack', () => {
    expect(shown({ level: 40, msg: 'slow' })).toBe('WARN slow');
    expect(shown({ level: 50, msg: 'failed', err: { message: 'boom', stack: 'Error: boom\n    at there' } })).toBe(
      'ERROR failed: boom\n    at there',
    );
  });

  it('passes on what is no JSON', () => {
    expect(shown('{ not json')).toBe('{ not json');
    expect(shown('plain')).toBe('plain');
  });

  it('lets nobody drive the terminal', () => {
    expect(shown({ level: 30, msg: 'a\u001b[2Jb', handle: '\u001b]0;x\u0007\u202eevil' })).toBe('a [2Jb handle= ]0;x evil');
    expect(shown('raw \u001b[31m')).toBe('raw  [31m');
  });
});
