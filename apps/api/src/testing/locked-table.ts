import pg from 'pg';

/**
 * Locks a table against every other connection. The server ends idle transactions of the product's own connections after a few
 * seconds; this one stays for as long as the test needs it.
 * @returns ends the lock
 */
export async function lockTable(databaseUrl: string, table: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('begin');
  await client.query(`lock table ${table} in access exclusive mode`);
  return () => client.end();
}
