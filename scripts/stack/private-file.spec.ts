import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { writePrivate } from './private-file.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tributary-private-'));
const file = join(folder, 'secret');
afterAll(() => rmSync(folder, { recursive: true }));

describe('a private file', () => {
  it('can be read by its owner alone, also where an older one was open to others', () => {
    writeFileSync(file, 'older');
    chmodSync(file, 0o666);
    for (const text of ['first', 'second']) {
      writePrivate(file, text);
      expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual([text, 0o600]);
    }
    expect(readdirSync(folder)).toEqual(['secret']);
  });
});
