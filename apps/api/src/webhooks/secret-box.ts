import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KNOWN_TEXT = 'tributary webhooks';

/** Encrypts what PostgreSQL must not hold in clear: AES-256-GCM, bound to the id of what it belongs to. */
export class SecretBox {
  private readonly key: Buffer;

  /** @param key 32 bytes in base64 */
  constructor(key: string) {
    this.key = Buffer.from(key, 'base64');
    if (this.key.length !== 32) throw new Error('WEBHOOK_SECRET_KEY: expected 32 bytes in base64');
  }

  /** Encrypts `text` for the owner `owner`: a copy under another owner does not open. */
  seal(text: string, owner: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce).setAAD(Buffer.from(owner));
    return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  }

  /** Opens what {@link seal} made; undefined when the key or the owner is another one. */
  open(sealed: Buffer, owner: string): string | undefined {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.key, sealed.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(owner))
      .setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      return decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch {
      // GCM says no more than that it is not authentic.
      return undefined;
    }
  }
}

/**
 * Compares the configured key with the one this database was first used with, and records it at first use.
 * @param key as configured; '' when there is none
 * @returns one sentence when it does not fit, else undefined
 */
export async function disagreementOnSecretKey(pool: Pool, key: string): Promise<string | undefined> {
  if (key !== '') {
    await pool.query('insert into webhook_vault (sealed) values ($1) on conflict do nothing', [
      new SecretBox(key).seal(KNOWN_TEXT, 'vault'),
    ]);
  }
  const { rows } = await pool.query<{ sealed: Buffer }>('select sealed from webhook_vault');
  const sealed = rows[0]?.sealed;
  if (!sealed || (key !== '' && new SecretBox(key).open(sealed, 'vault') === KNOWN_TEXT)) return undefined;
  return key === ''
    ? 'WEBHOOK_SECRET_KEY is not set, but this database holds webhook secrets; set the key that they were encrypted with (it belongs in the backup)'
    : 'WEBHOOK_SECRET_KEY does not open the webhook secrets of this database; set the key that they were encrypted with (it belongs in the backup)';
}
