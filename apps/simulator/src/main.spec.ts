import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';

describe('the simulator', () => {
  it('does not run in production', async () => {
    const run = promisify(execFile)(process.execPath, ['dist/apps/simulator/src/main.js'], {
      env: { PATH: process.env.PATH, NODE_ENV: 'production', SIMULATOR_PORT: '0' },
      timeout: 20_000,
    });
    await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/^simulator: NODE_ENV is production/) });
  });
});
