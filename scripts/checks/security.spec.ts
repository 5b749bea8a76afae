import { describe, expect, it } from '@jest/globals';
import { faultsOf } from './security.mjs';

const page = (test: string) =>
  `# Security\n\n| threat | what holds it | test |\n| --- | --- | --- |\n| a thief | a lock | ${test} |\n\ntext\n`;
const read = (file: string) => (file === 'a/door.spec.ts' ? `describe('a door', () => {\n  it('stays shut', () => {});\n});\n` : undefined);

describe('the check of docs/security.md', () => {
  it('takes a threat whose test exists', () => {
    expect(faultsOf(page('`a/door.spec.ts` "stays shut"'), read)).toEqual([]);
  });

  it('knows the title of a table of tests, however it is laid out', () => {
    for (const table of [
      "it.each([1])('%s holds'",
      "it.each<[string]>([\n    ['a'],\n  ])('%s holds'",
      "it.each([\n    ['a'],\n  ] as const)('%s holds'",
    ])
      expect(faultsOf(page('`a/door.spec.ts` "%s holds"'), () => `  ${table}, () => {});\n`)).toEqual([]);
  });

  it('takes no test that is skipped', () => {
    for (const call of ['it.skip(', 'xit(', 'it.todo('])
      expect(faultsOf(page('`a/door.spec.ts` "stays shut"'), () => `  ${call}'stays shut', () => {});\n`)).toHaveLength(1);
  });

  it.each([
    ['a test that was renamed', '`a/door.spec.ts` "stays open"', 'has no test "stays open"'],
    ['a file that is gone', '`a/wall.spec.ts` "stays shut"', 'there is no a/wall.spec.ts'],
    ['a second test that is gone', '`a/door.spec.ts` "stays shut"; `a/door.spec.ts` "creaks"', 'has no test "creaks"'],
    ['a threat without a test', 'none yet', 'names no test'],
  ])('refuses %s', (_, test, fault) => {
    expect(faultsOf(page(test), read)).toEqual([expect.stringContaining(fault)]);
  });

  it('refuses a page without a table', () => {
    expect(faultsOf('# Security\n', read)).toEqual([expect.stringContaining('has no table')]);
  });
});
