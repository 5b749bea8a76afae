import { fileURLToPath } from 'node:url';
import { connectClient } from '@tributary/runtime';
import { runner } from 'node-pg-migrate';
import { fillRanges } from '../fill-ranges.js';

/** One statement of a migration, or the wait for another process that migrates: an index over a hundred million rows takes a while. */
const STATEMENT_MS = 3_600_000;

/** What {@link migrate} says while it works. */
export interface MigrationLogger {
  info(fields: object, message: string): void;
}

/** Brings the database to this version's schema; safe to run by several processes at once (advisory lock). Returns the names applied. */
export async function migrate(databaseUrl: string, logger?: MigrationLogger): Promise<string[]> {
  const client = await connectClient(databaseUrl, { name: 'migrate', statementMs: STATEMENT_MS });
  let applied: Awaited<ReturnType<typeof runner>>;
  try {
    applied = await runner({
      dbClient: client,
      dir: fileURLToPath(new URL('./migrations', import.meta.url)),
      direction: 'up',
      migrationsTable: 'migrations',
      // Each on its own: the locks of one are not held through the work of the next.
      singleTransaction: false,
      log: () => undefined,
      lockValue: 7_241_906_533,
      advisoryLockMode: 'wait',
    });
  } finally {
    await client.end();
  }
  await fillRanges(databaseUrl);
  const names = applied.map(({ name }) => name);
  if (names.length > 0) logger?.info({ migrations: names }, 'database brought up to date');
  return names;
}
