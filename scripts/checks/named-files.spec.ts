import { describe, expect, it } from '@jest/globals';
import { missingFrom } from './named-files.mjs';

const exists = (path: string) => ['apps/api/src/main.ts', 'docs/events.md', 'docs/keys.md', 'apps/api/src'].includes(path);

describe('the check of files that documents name', () => {
  it('takes files, folders and links that exist, and what is no path of the project', () => {
    const text =
      'See `apps/api/src/main.ts`, `apps/api/src`, [events](docs/events.md#gift), `npm run docs`, `a/b`, [x](https://x.example/y.md).';
    expect(missingFrom('README.md', text, exists)).toEqual([]);
  });

  it('names each file that is gone, once, with the document', () => {
    const text = '`apps/api/src/gone.ts` and `apps/api/src/gone.ts`, `libs/none/`';
    expect(missingFrom('CONTRIBUTING.md', text, exists)).toEqual([
      'CONTRIBUTING.md: there is no apps/api/src/gone.ts',
      'CONTRIBUTING.md: there is no libs/none/',
    ]);
  });

  it('takes no file of code that is not named from the root', () => {
    expect(missingFrom('docs/architecture.md', '`src/main.ts`, `api/src/main.ts`, `apps/api/src/main.ts`', exists)).toEqual([
      'docs/architecture.md: there is no src/main.ts',
      'docs/architecture.md: there is no api/src/main.ts',
    ]);
  });

  it('reads links from the folder of their document', () => {
    expect(missingFrom('docs/events.md', '[keys](keys.md) [none](none.md)', exists)).toEqual(['docs/events.md: there is no docs/none.md']);
  });
});
