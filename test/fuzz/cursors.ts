import { CursorsTarget, PARSERS } from './cursors/target.js';
import { type FuzzProgram, readFuzzOptions, runProgram } from './engine/run.js';

const PROGRAM: FuzzProgram = {
  name: 'cursors',
  about: `${PARSERS.length} parsers of cursors, ids, secrets, tokens and foreign texts: what they write comes back, and what\nthey refuse is refused by a typed error`,
  count: 1_000_000,
  parallel: 1,
};
const options = readFuzzOptions(PROGRAM);
const target = new CursorsTarget();

await runProgram(PROGRAM, options, target, () => {
  const all = [...target.counts.values()];
  const sum = (of: 'taken' | 'refused') => all.reduce((total, counts) => total + counts[of], 0);
  return { rows: { parsers: PARSERS.length, taken: sum('taken'), refused: sum('refused') }, failures: [] };
});
