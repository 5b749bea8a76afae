import { describe, expect, it } from '@jest/globals';
import { readArguments } from './arguments.mjs';
import { CliError } from './cli-error.mjs';
import { guard } from './guard.mjs';
import type * as Declared from './index.mjs';
import { startPostgres } from './postgres.mjs';
import { processIdentity } from './process-identity.mjs';
import { nodeFlags } from './project.mjs';
import { startRedis } from './redis.mjs';
import { temporaryFolder } from './temporary-folder.mjs';

/** What the files are. The compiler refuses this when index.d.mts, which others are compiled with, says something else. */
const REAL: typeof Declared = { readArguments, CliError, guard, startPostgres, processIdentity, nodeFlags, startRedis, temporaryFolder };

describe('the types of the private servers', () => {
  it('declare everything that their entry exports, and nothing else', async () => {
    expect(Object.keys(await import('./index.mjs')).sort()).toEqual(Object.keys(REAL).sort());
  });
});
