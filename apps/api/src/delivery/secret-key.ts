import { SecretBox } from '@tributary/runtime';
import type { Pool } from 'pg';

const SETTING = 'WEBHOOK_SECRET_KEY';
const KNOWN_TEXT = 'tributary webhooks';

/** The box of webhook secrets. @param key 32 bytes in base64 */
export const webhookBox = (key: string): SecretBox => new SecretBox(key, SETTING);

/**
 * Compares the configured key with the one this database was first used with, and records it at first use.
 * @param key as configured; '' when there is none
 * @returns one sentence when it does not fit, else undefined
 */
export async function disagreementOnSecretKey(pool: Pool, key: string): Promise<string | undefined> {
  if (key !== '') {
    await pool.query('insert into webhook_vault (sealed) values ($1) on conflict do nothing', [webhookBox(key).seal(KNOWN_TEXT, 'vault')]);
  }
  const { rows } = await pool.query<{ sealed: Buffer }>('select sealed from webhook_vault');
  const sealed = rows[0]?.sealed;
  if (!sealed || (key !== '' && webhookBox(key).open(sealed, 'vault') === KNOWN_TEXT)) return undefined;
  return key === ''
    ? 'WEBHOOK_SECRET_KEY is not set, but this database holds webhook secrets; set the key that they were encrypted with (it belongs in the backup)'
    : 'WEBHOOK_SECRET_KEY does not open the webhook secrets of this database; set the key that they were encrypted with (it belongs in the backup)';
}
