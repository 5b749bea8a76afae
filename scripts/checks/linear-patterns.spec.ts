import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

/** Code that runs in a process of ours; specs and the simulator's own parts read nothing foreign. */
const ROOTS = ['libs', 'apps'];
const SKIPPED = /node_modules|\/testing\/|\.(?:int-|e2e-|live-)?spec\.ts$|\.d\.ts$/;
const SIZES = [32, 1_000, 8_000, 50_000];
/** A linear pattern takes about a millisecond for the largest text, a quadratic one seconds. */
const CPU_MS_MAX = 300;
const CHARACTERS = [
  ' ',
  '\t',
  '\n',
  'a',
  'A',
  '0',
  '_',
  '-',
  '.',
  ',',
  ':',
  ';',
  '=',
  '/',
  '\\',
  '<',
  '>',
  '"',
  "'",
  '(',
  '[',
  '{',
  '@',
  '%',
  '&',
  '\u200b',
];

interface Pattern {
  where: string;
  regex: RegExp;
}

function patternsOf(path: string): Pattern[] {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Pattern[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      found.push({ where: `${path}:${line} ${node.text}`, regex: new RegExp(node.text.slice(1, end), node.text.slice(end + 1)) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The texts that stand literally in a pattern: repeating what it looks for is what makes it start over and over again. */
function literalsOf({ source }: RegExp): string[] {
  const plain = source
    .replace(/\[(?:\\.|[^\]\\])*\]/g, '\0')
    .replace(/\\([a-zA-Z])/g, '\0')
    .replace(/\\(.)/g, '$1\ufffe')
    .replace(/\(\?(?:[:=!]|<[=!]|<\w+>)/g, '\0');
  return plain
    .split(/[\0()[\]{}|*+?^$.]+(?!\ufffe)/)
    .map((text) => text.replaceAll('\ufffe', ''))
    .filter((text) => text !== '');
}

/** CPU time of one test of the pattern, in ms: it does not count what other processes take. */
function cpuMs(regex: RegExp, text: string): number {
  const before = process.cpuUsage();
  regex.lastIndex = 0;
  text.replace(regex, '');
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** The repetition that makes the pattern slow, if there is one. */
function slowText(regex: RegExp): string | undefined {
  const literals = literalsOf(regex);
  for (const size of SIZES) {
    for (const token of [...CHARACTERS, ...literals]) {
      const repeated = token.repeat(Math.ceil(size / token.length));
      for (const first of ['', ...literals.slice(0, 1)])
        if (cpuMs(regex, `${first}${repeated}\u0007`) > CPU_MS_MAX) return `${JSON.stringify(token)} repeated to ${size} characters`;
    }
  }
  return undefined;
}

const files = ROOTS.flatMap((root) => readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name)));
const patterns = files.filter((path) => /\.(?:ts|js|mjs)$/.test(path) && !SKIPPED.test(path)).flatMap(patternsOf);

describe('regular expressions', () => {
  it('are all linear in the text that they read, whatever it repeats', () => {
    expect(patterns.length).toBeGreaterThan(50);
    const slow = patterns.flatMap(({ where, regex }) => {
      const text = slowText(regex);
      return text === undefined ? [] : [`${where} is slow for ${text}`];
    });
    expect(slow).toEqual([]);
  }, 120_000);

  it('a quadratic one is found', () => {
    expect(slowText(/<script[^>]*\bid="X"[^>]*>/)).toContain('<script');
    expect(slowText(/\/+$/)).toContain('"/"');
    expect(slowText(/^\/+$/)).toBeUndefined();
  });
});
