import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

/** A Lua file run by its hash; sent whole where the server does not know it (first use, restart, wipe). */
export class LuaScript {
  private readonly source: string;
  /** SHA-1 of the script, by which the server finds it. */
  readonly sha: string;

  /** `shared` is put before the script, behind its `#!lua` line where it has one. */
  constructor(file: URL, shared?: URL) {
    const [, flags = '', body = ''] = /^(#![^\n]*\n)?([^]*)$/.exec(readFileSync(file, 'utf8')) ?? [];
    this.source = flags + (shared ? readFileSync(shared, 'utf8') : '') + body;
    this.sha = createHash('sha1').update(this.source).digest('hex');
  }

  /** Runs the script. All keys belong to one hash slot. */
  async run(redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.eval(this.source, keys.length, ...keys, ...args);
    }
  }
}
