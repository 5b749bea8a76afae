import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { leftOut } from './types.mjs';

describe('the check of types', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-types-'));
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  };
  const config = (file: string, compilerOptions: object, include: string[]) => write(file, JSON.stringify({ compilerOptions, include }));
  beforeAll(() => {
    for (const file of ['src/a.ts', 'page/b.js', 'stray.mjs', 'made/c.ts', 'node_modules/x/d.js', 'dist/e.js']) write(file, 'export {};\n');
    config('tsconfig.json', { strict: true }, ['src']);
    config('page/tsconfig.json', { strict: true, allowJs: true, checkJs: true }, ['*.js']);
    config('page/lax.json', { strict: true, allowJs: true }, ['*.js']);
    config('loose.json', {}, ['src']);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('names each file that no configuration covers', () => {
    const configs = ['tsconfig.json', 'page/tsconfig.json'];
    expect(leftOut(folder, configs, ['made/'])).toEqual(['stray.mjs is compiled by none of tsconfig.json, page/tsconfig.json']);
    expect(leftOut(folder, ['tsconfig.json'], []).map((line) => line.split(' ')[0])).toEqual(['made/c.ts', 'page/b.js', 'stray.mjs']);
  });

  it('names each configuration that is not strict, or that does not check its JavaScript', () => {
    expect(leftOut(folder, ['loose.json', 'page/lax.json'], ['made/', 'stray'])).toEqual([
      'loose.json: "strict" is off',
      'page/lax.json: "checkJs" is off',
    ]);
  });

  it('says so where a configuration cannot be read', () => {
    expect(() => leftOut(folder, ['none.json'], [])).toThrow('none.json cannot be read');
  });
});
