import type { Draw } from './draw.js';

const TEXT_LENGTH_MAX = 100_000;
/** What is put into texts: ends of what parsers look for, and characters that are no letters. */
const INSERTS: readonly string[] = [
  ...['\0', '\n', '\r\n', '\t', ' ', '\u00a0', '\u200b', '\u202e', '\ufeff', '\ufffd', '\ud800', '\udfff', '\u{1f4a9}', 'é', 'ﬁ', 'İ', 'ß'],
  ...[
    '%',
    '%00',
    '%2e',
    '%zz',
    '%c0%af',
    '%ed%a0%80',
    '+',
    '&',
    '=',
    ';',
    '#',
    '?',
    '/',
    '//',
    '/../',
    '\\',
    '@',
    ':',
    '.',
    '-',
    '_',
    '*',
    '~',
  ],
  ...['"', "'", '`', '<', '>', '{', '}', '[', ']', '(', ')', '$', '${x}', '{{x}}', '|', '!', '^', ','],
  ...['0', '-1', '00', '1e9', '9'.repeat(19), '9'.repeat(40), 'null', 'NaN', '__proto__', 'constructor'],
];

/** Bytes with up to eight changes: flips, cuts, insertions, repeats. `other` is what splices are taken from. */
export function mutatedBytes(bytes: Uint8Array, draw: Draw, other: Uint8Array = bytes): Buffer {
  let out = Buffer.from(bytes);
  for (let changes = draw.chance(0.5) ? 1 : draw.between(1, 8); changes > 0; changes--) {
    const at = draw.below(out.length + 1);
    const end = Math.min(out.length, at + draw.between(1, draw.chance(0.8) ? 16 : 4_096));
    switch (draw.below(8)) {
      case 0:
        if (at < out.length) out[at]! ^= 1 << draw.below(8);
        break;
      case 1:
        if (at < out.length) out[at] = draw.pick([0, 1, 0x7f, 0x80, 0xff, draw.below(256)]);
        break;
      case 2:
        out = out.subarray(0, at);
        break;
      case 3:
        out = Buffer.concat([out.subarray(0, at), out.subarray(end)]);
        break;
      case 4:
        out = Buffer.concat([out.subarray(0, end), out.subarray(at)]);
        break;
      case 5:
        out = Buffer.concat([out.subarray(0, at), Buffer.from([draw.below(256)]), out.subarray(at)]);
        break;
      case 6: {
        const from = draw.below(other.length + 1);
        out = Buffer.concat([out.subarray(0, at), other.subarray(from, from + draw.below(512)), out.subarray(at)]);
        break;
      }
      default:
        out.fill(draw.pick([0, 0xff]), at, end);
    }
  }
  return out;
}

/** A text with up to four changes. */
export function mutatedText(text: string, draw: Draw): string {
  for (let changes = draw.chance(0.6) ? 1 : draw.between(1, 4); changes > 0; changes--) {
    const at = draw.below(text.length + 1);
    switch (draw.below(8)) {
      case 0:
        text = text.slice(0, at) + draw.pick(INSERTS) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + draw.pick(INSERTS) + text.slice(at + 1);
        break;
      case 2:
        text = text.slice(0, at);
        break;
      case 3:
        text = text.slice(0, at) + text.slice(at + draw.between(1, 8));
        break;
      case 4:
        text = text.slice(0, at) + text.slice(Math.max(0, at - draw.between(1, 8)));
        break;
      case 5:
        text = text.slice(0, at) + String.fromCharCode(draw.below(0x10000)) + text.slice(at + 1);
        break;
      case 6:
        text = draw.chance(0.5) ? text.toUpperCase() : text.toLowerCase();
        break;
      default:
        text = draw.chance(0.1) ? text.repeat(draw.pick([2, 100])) : text + draw.pick(INSERTS);
    }
    if (text.length > TEXT_LENGTH_MAX) text = text.slice(0, TEXT_LENGTH_MAX);
  }
  return text;
}
