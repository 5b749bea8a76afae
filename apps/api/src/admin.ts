import { Config, ConfigError, createLogger, createPool, loadConfig, type Scope, SCOPES } from '@tributary/runtime';
import { createKey, KEYS_MAX } from './keys/key-store.js';
import { migrate } from './store/schema/migrate.js';

const USAGE = `usage:
  admin.js migrate                    brings the database to this version
  admin.js create-key NAME SCOPES     makes an API key and prints it once, as one JSON line
                                      SCOPES: comma separated, of ${SCOPES.join(', ')}
`;

/** Ends the process with one sentence. */
class Refused extends Error {}

async function run([command, ...rest]: string[], config: Config): Promise<object> {
  // Standard output carries the one JSON line; a log line there would break whoever reads it.
  const logger = createLogger({ name: 'admin', level: 'silent', format: 'json' });
  switch (command) {
    case 'migrate':
      if (rest.length > 0) throw new Refused(`migrate takes nothing, not "${rest[0]}"; --help tells how it is called`);
      return { applied: await migrate(config.databaseUrl) };
    case 'create-key': {
      const [name = '', list = '', ...more] = rest;
      const scopes = list.split(',').filter(Boolean);
      const unknown = scopes.filter((scope) => !(SCOPES as readonly string[]).includes(scope));
      if (more.length > 0 || name === '' || name.length > 100 || scopes.length === 0)
        throw new Refused('create-key needs a NAME of at most 100 characters and SCOPES; --help tells how it is called');
      if (unknown.length > 0) throw new Refused(`unknown scope ${unknown.join(', ')}; there are ${SCOPES.join(', ')}\n`);
      const pool = createPool(config.databaseUrl, logger, { name: 'admin', max: 1 });
      try {
        const created = await createKey(pool, name, scopes as Scope[]);
        if (created === 'full') throw new Refused(`there are ${KEYS_MAX} keys already; revoke some\n`);
        return { id: created.id, key: created.key, scopes };
      } finally {
        await pool.end();
      }
    }
    default:
      throw new Refused(`there is no command "${command ?? ''}", but migrate and create-key; --help tells how they are called`);
  }
}

/** Why PostgreSQL could not be used, in a sentence that says what to do. */
function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof Refused || error instanceof ConfigError) return error.message.trimEnd();
  if (code === '42P01') return 'the database has no tables yet: run `migrate` first';
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ETIMEDOUT')
    return `PostgreSQL cannot be reached (${code}): check DATABASE_URL`;
  if (code === '3D000') return `${message}: create it, or check DATABASE_URL`;
  return message || String(error);
}

try {
  const args = process.argv.slice(2);
  const isHelp = args.includes('--help') || args.includes('-h');
  process.stdout.write(isHelp ? USAGE : `${JSON.stringify(await run(args, loadConfig('admin')))}\n`);
} catch (error) {
  process.stderr.write(`admin: ${explain(error)}\n`);
  process.exitCode = 1;
}
