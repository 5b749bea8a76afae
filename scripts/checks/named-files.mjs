// node scripts/checks/named-files.mjs: every file of the project that a document names exists. Run by "npm run check".
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../servers/project.mjs';

/** A path from the root of the project, as documents name it. One with a star or a brace stands for several files. */
const NAMED = /`((?:apps|libs|docs|scripts|test|bench|examples)\/[\w./-]*)`/g;
/** A file of code in a folder: documents name it from the root, so that it can be found. */
const CODE = /`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|mjs|js|lua|sql))`/g;
const LINKED = /\]\(((?!https?:)[\w./-]+\.\w+)(?:#[\w-]+)?\)/g;

/**
 * What a document names that is not there, a line each.
 * @param {string} file its path, for links, which are relative to it
 * @param {string} text
 * @param {(path: string) => boolean} exists whether the project has a file or folder
 */
export function missingFrom(file, text, exists) {
  const named = [...text.matchAll(NAMED), ...text.matchAll(CODE)].map(([, path = '']) => path);
  const linked = [...text.matchAll(LINKED)].map(([, path = '']) => join(file, '..', path));
  return [...new Set([...named, ...linked])].filter((path) => !exists(path)).map((path) => `${file}: there is no ${path}`);
}

if (process.argv[1] === join(root, 'scripts/checks/named-files.mjs')) {
  const pages = readdirSync(join(root, 'docs')).flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : []));
  const files = ['README.md', 'CONTRIBUTING.md', ...pages];
  const missing = files.flatMap((file) =>
    missingFrom(file, readFileSync(join(root, file), 'utf8'), (path) => existsSync(join(root, path))),
  );
  if (missing.length > 0) {
    process.stderr.write(missing.map((line) => `${line}\n`).join(''));
    process.exitCode = 1;
  } else process.stdout.write(`${files.length} documents name files that exist\n`);
}
