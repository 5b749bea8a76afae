import { readFileSync } from 'node:fs';

const DOCUMENT = new URL('../../../../docs/architecture.md', import.meta.url);
const SECTION = '## What is stored, and what removes it';

/** Data whose owner docs/architecture.md names: PostgreSQL tables, and patterns of Redis keys such as `<prefix>:{<partition>}:events`. */
export function ownedData(): { tables: ReadonlySet<string>; isOwnedKey(key: string, prefix: string): boolean } {
  const section = readFileSync(DOCUMENT, 'utf8').split(SECTION)[1]?.split('\n## ')[0] ?? '';
  const cells = [...section.matchAll(/^\| (`[^|]+`) +\| [^|]*\S[^|]* \|$/gm)].map(([, names = '']) => names);
  const names = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name));
  const patterns = names.filter((name) => name.includes('<prefix>'));
  return {
    tables: new Set(names.filter((name) => !name.includes('<'))),
    isOwnedKey: (key, prefix) => patterns.some((pattern) => expressionOf(pattern, prefix).test(key)),
  };
}

/** Each `<name>` but the prefix stands for any text. */
function expressionOf(pattern: string, prefix: string): RegExp {
  const parts = pattern
    .split(/(<\w+>)/)
    .map((part) => (part === '<prefix>' ? prefix : part.startsWith('<') ? '.+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${parts.join('')}$`);
}
