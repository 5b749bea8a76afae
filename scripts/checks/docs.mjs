// node scripts/checks/docs.mjs [--check]: writes what the documents take from the code (the configuration table of README.md, the
// catalog of docs/events.md, the codes of docs/problems.md); with --check it only says whether they are up to date. Needs a build.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from '../servers/arguments.mjs';
import { root } from '../servers/project.mjs';
import { printFailure } from '../terminal.mjs';

const check = readCheck();

/** Whether documents are only compared. */
function readCheck() {
  try {
    const { values } = readArguments({ options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });
    if (!values.help) return values.check ?? false;
  } catch (error) {
    process.exit(printFailure(error));
  }
  process.stdout.write('npm run docs [-- --check]    writes what the documents take from the code; --check only compares\n');
  process.exit(0);
}

/** @param {string} file */
const built = (file) => import(join(root, 'dist', file));
const { describeSettings } = await built('libs/runtime/src/config/config.js');
const { describeCatalog } = await built('libs/events/src/catalog-docs.js');
const { PROBLEM_TYPES } = await built('libs/runtime/src/http/problem-types.js');

const settings = describeSettings().map(
  (/** @type {{ env: string, default: string, about: string, of: readonly string[], secret: boolean }} */ setting) =>
    `| \`${setting.env}\` | ${setting.default === '' ? '' : `\`${setting.default}\``} | ${setting.about}${setting.secret ? ' (secret: masked in logs)' : ''} | ${setting.of.length === 4 ? 'all' : setting.of.join(', ')} |`,
);
const parts = [
  {
    file: 'README.md',
    name: 'configuration',
    text: ['| variable | default | what it sets | read by |', '| --- | --- | --- | --- |', ...settings].join('\n'),
  },
  { file: 'docs/events.md', name: 'catalog', text: describeCatalog().trim() },
  {
    file: 'docs/problems.md',
    name: 'problems',
    text: [
      Object.keys(PROBLEM_TYPES)
        .map((code) => `[${code}](#${code})`)
        .join(', '),
      ...Object.entries(PROBLEM_TYPES).map(([code, { status, title, remedy }]) => `### ${code}\n\n${status}. ${title}.\n\n${remedy}`),
    ].join('\n\n'),
  },
];

const stale = [];
for (const { file, name, text } of parts) {
  const path = join(root, file);
  const before = readFileSync(path, 'utf8');
  const [begin, end] = [`<!-- ${name}: generated -->`, `<!-- ${name}: end -->`];
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from === -1 || to === -1) throw new Error(`${file} has no ${begin} ... ${end}`);
  const after = `${before.slice(0, from)}${begin}\n\n${text}\n\n${before.slice(to)}`;
  if (after === before) continue;
  stale.push(file);
  if (!check) writeFileSync(path, after);
}
if (check && stale.length > 0) {
  process.stderr.write(`${stale.join(', ')}: not what the code says; run "npm run docs"\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(stale.length > 0 ? `written: ${stale.join(', ')}\n` : 'documents are up to date\n');
}
