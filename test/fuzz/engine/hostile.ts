import { HOSTILE_TOKENS } from '@tributary/testing';
import type { Draw } from './draw.js';

/** Texts that parsers, databases, shells and templates are known to take for something else. */
const TEXTS: readonly string[] = [
  ...['', ' ', '\0', 'a\0b', '\u0001', '\x7f', '\ud800', '\udc00x', 'x\ud83d', '\ufffe', '\uffff', '\u202eabc', '\u200b', '\ufeff'],
  ...['null', 'undefined', 'true', 'false', 'NaN', 'Infinity', '-Infinity', '[object Object]', '__proto__', 'constructor', 'prototype'],
  ...['toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', 'then', 'length', '0', '-0', '-1', '1', '00', '0x10', '1e3', '1e400'],
  ...['9007199254740993', '9223372036854775807', '9223372036854775808', '18446744073709551616', '-9223372036854775809', '9'.repeat(400)],
  ...["' or 1=1 --", "'; select pg_sleep(5); --", '%', '_', '\\', '\\%', '%%%%%%%%', '(', '[', '{', '*', '**', '?', '.*', '(a+)+$'],
  ...[
    '../../etc/passwd',
    '..%2f..%2f',
    '/',
    '//',
    '\\\\host',
    'file:///etc/passwd',
    'http://[::1]/',
    '${7*7}',
    '{{7*7}}',
    '<script>',
    '&amp;',
  ],
  ...[
    '2026-11-22T10:00:00Z',
    '0001-01-01',
    '9999-12-31T23:59:59.999999999Z',
    '2026-02-30',
    '2026-13-01',
    '1e9-01-01',
    '+275760-09-13',
    '00:00',
  ],
  ...['0001-01-01T00:00:00+23:59', '9999-12-31T23:59:59-23:59', '4714-11-24T00:00:00Z', '-4713-01-01', '2026-11-22T10:00:00+99:99'],
  ...['a'.repeat(65), 'a'.repeat(513), 'é'.repeat(300), '\u{1f4a9}'.repeat(200), 'A'.repeat(2_049), 'x'.repeat(70_000)],
  ...[
    'WyJhXHUwMDAwYiJd',
    'WyIiXQ',
    'W10',
    'W1tdXQ',
    'eyJhIjoxfQ',
    'WyJcdWQ4MDAiXQ',
    'AQAAAAAAAAAAAAAAAAAA',
    '/////////////////w',
    '________________8',
  ],
  ...[
    'cr_',
    'cr_0',
    'cr_00000000000000000000',
    'wh_',
    'key_',
    'dlv_',
    'rp_',
    'cr_\0',
    'tiktok.live.*',
    '*',
    'tiktok.*.chat',
    'monitor.',
    '@',
    '@@a',
  ],
  ...[
    '7540589352666090247-7540589999123456789',
    '-',
    '--',
    '1-2-3-4',
    'cr_1-1-1',
    '7540589352666090247-h',
    '7540589352666090247-hzzzzzzzzzzzzzzzz',
  ],
];
const LENGTHS: readonly number[] = [1, 63, 64, 65, 100, 255, 256, 300, 512, 1_024, 4_096, 16_384];

/** A text that nobody sends in good faith. */
export function hostileText(draw: Draw): string {
  if (draw.chance(0.7)) return draw.pick(TEXTS);
  const token = draw.pick(HOSTILE_TOKENS);
  const length = draw.pick(LENGTHS);
  return token.repeat(Math.ceil(length / token.length)).slice(0, length);
}

/** Numbers as JSON text, some of which no double holds. */
const NUMBERS: readonly string[] = [
  ...['0', '-0', '1', '-1', '0.5', '1e-7', '1e400', '-1e400', '1e308', '2147483647', '2147483648', '4294967296', '9007199254740991'],
  ...['9007199254740993', '9223372036854775808', '1.7976931348623157e308', '5e-324', '1000', '1001', '100000000000000000000', '0.1e1'],
];

export function hostileNumber(draw: Draw): string {
  return draw.pick(NUMBERS);
}

/** The JSON text of a value of a kind that nobody asked for. */
export function hostileJson(draw: Draw, depth = 0): string {
  const deeper = depth < 3;
  switch (draw.below(deeper ? 11 : 6)) {
    case 0:
      return draw.pick(['null', 'true', 'false']);
    case 1:
      return hostileNumber(draw);
    case 2:
    case 3:
      return JSON.stringify(hostileText(draw));
    case 4:
      return draw.pick(['{}', '[]', '""', '[[]]', '[null]', '{"":""}']);
    case 5:
      return draw.pick([
        '{"__proto__":{"isAdmin":true}}',
        '{"constructor":{"prototype":{"x":1}}}',
        '{"toString":1}',
        '{"length":1e9}',
        '{"then":"x"}',
      ]);
    case 6: {
      const levels = draw.pick([2, 10, 31, 32, 33, 200, 5_000]);
      const [open, close] = draw.pick([
        ['[', ']'],
        ['{"a":', '}'],
      ] as const);
      return open.repeat(levels) + '1' + close.repeat(levels);
    }
    case 7:
      return `[${Array.from({ length: draw.pick([1, 2, 101, 1_001, 5_000]) }, () => '"a"').join(',')}]`;
    case 8:
      return `[${Array.from({ length: draw.between(1, 4) }, () => hostileJson(draw, depth + 1)).join(',')}]`;
    default:
      return `{${Array.from({ length: draw.between(1, 4) }, () => `${JSON.stringify(hostileText(draw).slice(0, 50))}:${hostileJson(draw, depth + 1)}`).join(',')}}`;
  }
}
