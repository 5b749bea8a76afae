import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHUNK = Buffer.alloc(65_536, 1);

/** A file system of its own, of a few MB, that can be filled to the last byte. */
export interface SmallDisk {
  readonly path: string;
  /** Takes all that is free. */
  readonly fill: () => Promise<void>;
  /** Gives it back. */
  readonly free: () => void;
  remove(): Promise<void>;
}

/** Makes one in memory; undefined where this process may not mount (it takes Linux and root). */
export async function makeSmallDisk(name: string, megabytes: number): Promise<SmallDisk | undefined> {
  const path = mkdtempSync(join(tmpdir(), `tributary-disk-${name}-`));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0711`, 'tmpfs', path]);
  } catch {
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  const filler = join(path, 'filler');
  return {
    path,
    fill: async () => {
      const file = await open(filler, 'a');
      try {
        for (let chunk = CHUNK; statfsSync(path).bavail > 0;) {
          const { bytesWritten } = await file.write(chunk).catch(() => ({ bytesWritten: 0 }));
          if (bytesWritten < chunk.length) chunk = chunk.subarray(0, Math.max(1, chunk.length >> 1));
          if (bytesWritten === 0 && chunk.length === 1) break;
        }
      } finally {
        await file.close();
      }
    },
    free: () => rmSync(filler, { force: true }),
    remove: async () => {
      await run('umount', ['-l', path]).catch(() => undefined);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
