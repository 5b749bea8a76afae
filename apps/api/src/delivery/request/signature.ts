import { createHmac, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';

/** Signature schemes of Standard Webhooks 1.0.0: HMAC-SHA256 with a shared secret, and ed25519. */
export const SIGNATURE_SCHEMES = ['v1', 'v1a'] as const;
export type SignatureScheme = (typeof SIGNATURE_SCHEMES)[number];

/** One generation of an endpoint's secrets: bytes in base64, as they are stored (encrypted). */
export interface SecretPair {
  /** The shared secret of `v1`, 24 to 64 bytes. */
  shared: string;
  /** The ed25519 seed of `v1a`, 32 bytes. */
  seed: string;
  /** ms since 1970 up to which it signs beside its successor; the newest has none. */
  until?: number;
}

const SHARED_BYTES = 32;
/** DER of a PKCS #8 ed25519 private key, up to its 32 byte seed (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_KEY_BYTES = 32;

/** A new pair; `shared` where the caller brings a secret of its own. */
export function newSecretPair(shared?: string): SecretPair {
  return { shared: shared ?? randomBytes(SHARED_BYTES).toString('base64'), seed: randomBytes(32).toString('base64') };
}

/** The bytes (base64) of a secret as people write it, `whsec_` and base64 of 24 to 64 bytes; undefined for any other text. */
export function readSharedSecret(text: string): string | undefined {
  const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1];
  if (!base64) return undefined;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length >= 24 && bytes.length <= 64 && bytes.toString('base64') === base64 ? base64 : undefined;
}

/** The secret of `v1` as a receiver needs it. */
export function sharedSecretText({ shared }: SecretPair): string {
  return `whsec_${shared}`;
}

/** The public key of `v1a` as a receiver needs it. */
export function publicKeyText({ seed }: SecretPair): string {
  const der = createPublicKey(privateKeyOf(seed)).export({ type: 'spki', format: 'der' });
  return `whpk_${der.subarray(-PUBLIC_KEY_BYTES).toString('base64')}`;
}

/** Signs the attempts of one endpoint with every secret that is in force, the newest first. */
export class Signer {
  private readonly keys: { shared: Buffer; private: KeyObject | undefined; until: number }[];

  constructor(
    secrets: readonly SecretPair[],
    private readonly schemes: readonly SignatureScheme[],
  ) {
    this.keys = secrets.map(({ shared, seed, until }) => ({
      shared: Buffer.from(shared, 'base64'),
      private: schemes.includes('v1a') ? privateKeyOf(seed) : undefined,
      until: until ?? Infinity,
    }));
  }

  /**
   * The `webhook-signature` of one attempt: signatures of `id.timestamp.body`, separated by spaces.
   * @param timestamp unix seconds of this attempt
   */
  sign(id: string, timestamp: number, body: Buffer | string, now = Date.now()): string {
    const head = `${id}.${timestamp}.`;
    const signatures: string[] = [];
    for (const key of this.keys) {
      if (key.until <= now) continue;
      if (this.schemes.includes('v1')) {
        signatures.push(`v1,${createHmac('sha256', key.shared).update(head).update(body).digest('base64')}`);
      }
      if (key.private)
        signatures.push(`v1a,${sign(null, Buffer.concat([Buffer.from(head), Buffer.from(body)]), key.private).toString('base64')}`);
    }
    return signatures.join(' ');
  }
}

function privateKeyOf(seed: string): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, Buffer.from(seed, 'base64')]), format: 'der', type: 'pkcs8' });
}
