import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An input that has failed once. */
export interface KeptSeed {
  seed: number;
  number: number;
  kind: string;
}

const KEPT_MAX = 100;
const FOLDER = join('.tributary', 'fuzz');

/** Seeds and numbers of inputs that failed, kept in the data folder: the next run tries them first, until they pass. */
export class KeptSeeds {
  private readonly file: string;

  constructor(target: string, folder = FOLDER) {
    this.file = join(folder, `${target}.json`);
  }

  /** Those that are kept; none where there is no readable file. */
  read(): KeptSeed[] {
    try {
      const kept: unknown = JSON.parse(readFileSync(this.file, 'utf8'));
      return Array.isArray(kept) ? kept.filter(isSeed).slice(0, KEPT_MAX) : [];
    } catch {
      return [];
    }
  }

  /** Replaces what is kept. */
  write(seeds: KeptSeed[]): void {
    if (seeds.length === 0 && this.read().length === 0) return;
    mkdirSync(join(this.file, '..'), { recursive: true });
    writeFileSync(this.file, `${JSON.stringify(seeds.slice(0, KEPT_MAX), null, 2)}\n`, { mode: 0o600 });
  }
}

function isSeed(value: unknown): value is KeptSeed {
  if (typeof value !== 'object' || value === null) return false;
  const { seed, number, kind } = value as Record<string, unknown>;
  return Number.isInteger(seed) && Number.isInteger(number) && typeof kind === 'string';
}
