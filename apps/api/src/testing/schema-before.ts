import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';

/**
 * Takes a database back to the schema before a migration, named without its ending, as a version before left it. Migrations after it
 * are undone with it.
 */
export async function schemaBefore(databaseUrl: string, migration: string): Promise<void> {
  const dir = fileURLToPath(new URL('../store/schema/migrations', import.meta.url));
  const names = readdirSync(dir).map((file) => file.replace(/\.sql$/, ''));
  if (!names.includes(migration)) throw new Error(`there is no migration ${migration}`);
  const count = names.filter((name) => name >= migration).length;
  await runner({ databaseUrl, dir, direction: 'down', count, migrationsTable: 'migrations', log: () => undefined });
}
