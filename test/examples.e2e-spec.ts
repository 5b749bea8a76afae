import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';

const run = promisify(execFile);
const TEST_MS = 180_000;

describe('examples', () => {
  it(
    'demo-live: an ordinary client script, signed for by our signer, receives a room',
    async () => {
      const { stdout } = await run(process.execPath, ['examples/demo-live.mjs', '--simulator', '--seconds', '6']);
      expect(stdout).toMatch(/^connected to room \d+ of @luna\.bakes, signed for by http:\/\/127\.0\.0\.1:\d+$/m);
      for (const kind of ['viewers', 'chat', 'join']) expect(stdout).toMatch(new RegExp(`^${kind} +\\S`, 'm'));
    },
    TEST_MS,
  );

  it(
    'test-simple-integration: every step is ok, and a signer that is not there fails it',
    async () => {
      const { stdout } = await run(process.execPath, ['examples/test-simple-integration.mjs', '--simulator', '--seconds', '3']);
      expect(stdout.match(/^ok /gm)).toHaveLength(4);
      const gone = run(process.execPath, ['examples/test-simple-integration.mjs', 'nobody', '--seconds', '1'], {
        env: { ...process.env, SIGNER_URL: 'http://127.0.0.1:9' },
      });
      await expect(gone).rejects.toMatchObject({ code: 1, stdout: expect.stringMatching(/^FAIL {2}the signer answers/m) });
    },
    TEST_MS,
  );
});
