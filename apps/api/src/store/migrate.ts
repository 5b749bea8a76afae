import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';

/** What {@link migrate} says while it works. */
export interface MigrationLogger {
  info(fields: object, message: string): void;
}

/** Brings the database to this version's schema; safe to run by several processes at once (advisory lock). Returns the names applied. */
export async function migrate(databaseUrl: string, logger?: MigrationLogger): Promise<string[]> {
  const applied = await runner({
    databaseUrl,
    dir: fileURLToPath(new URL('./migrations', import.meta.url)),
    direction: 'up',
    migrationsTable: 'migrations',
    singleTransaction: true,
    log: () => undefined,
    lockValue: 7_241_906_533,
    advisoryLockMode: 'wait',
  });
  const names = applied.map(({ name }) => name);
  if (names.length > 0) logger?.info({ migrations: names }, 'database brought up to date');
  return names;
}
