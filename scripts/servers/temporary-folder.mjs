import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guard } from './guard.mjs';

/**
 * A folder for throw-away servers, deleted by `remove`, or by the orphan reaper should this process die.
 * @type {import('./index.d.mts').temporaryFolder}
 */
export function temporaryFolder(name) {
  const path = mkdtempSync(join(tmpdir(), `tributary-${name}-`));
  // The server's own user must be able to pass through; the folders inside are closed.
  chmodSync(path, 0o711);
  guard.removeAtDeath(path);
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
      guard.keepAtDeath(path);
    },
  };
}
