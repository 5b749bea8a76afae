import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** Encrypts secrets for a store with AES-256-GCM, bound to the id of their owner. */
export class SecretBox {
  private readonly key: Buffer;

  /**
   * @param key 32 bytes in base64
   * @param setting name of the setting it comes from, for the error
   * @throws Error when the key has another length
   */
  constructor(key: string, setting: string) {
    this.key = Buffer.from(key, 'base64');
    if (this.key.length !== KEY_BYTES) throw new Error(`${setting}: expected 32 bytes in base64`);
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
