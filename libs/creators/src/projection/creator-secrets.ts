import type { CreatorOptions, CreatorRecord } from '../types.js';

/** Encrypts and decrypts: the runtime's SecretBox, or a test's. `owner` binds a secret to its creator and field. */
export interface Box {
  seal(text: string, owner: string): Buffer;
  open(sealed: Buffer, owner: string): string | undefined;
}

/** Secrets of one creator, in clear. */
export interface CreatorSecrets {
  /** A Cookie header value of an account that is logged in. */
  sessionCookie?: string;
  /** Address of a proxy, with its password. */
  proxy?: string;
}

export type OpenedSecrets = { ok: true; secrets: CreatorSecrets } | { ok: false; message: string };

/** Seals one secret of a creator, as base64. A copy under another creator, or in another place, does not open. */
export function sealSecret(box: Box, creatorId: string, name: keyof CreatorSecrets, text: string): string {
  return box.seal(text, ownerOf(creatorId, name)).toString('base64');
}

/** Opens the secrets of a creator. Without a box, or with another key than theirs, a creator that has some is not to be connected. */
export function openSecrets(box: Box | undefined, { id, options }: Pick<CreatorRecord, 'id' | 'options'>): OpenedSecrets {
  const secrets: CreatorSecrets = {};
  for (const [name, sealed] of Object.entries(sealedOf(options)) as [keyof CreatorSecrets, string | undefined][]) {
    if (sealed === undefined) continue;
    if (!box) return { ok: false, message: `CREATOR_SECRET_KEY is not set, but this creator has a ${name}` };
    const text = box.open(Buffer.from(sealed, 'base64'), ownerOf(id, name));
    if (text === undefined) return { ok: false, message: `CREATOR_SECRET_KEY does not open the ${name} of this creator` };
    secrets[name] = text;
  }
  return { ok: true, secrets };
}

/** Whether anything of these options is sealed. */
export function hasSecrets(options: CreatorOptions): boolean {
  return options.sessionCookie !== undefined || options.proxy !== undefined;
}

function sealedOf({ sessionCookie, proxy }: CreatorOptions): { [name in keyof CreatorSecrets]: string } {
  return { sessionCookie, proxy: proxy?.sealed };
}

function ownerOf(creatorId: string, name: keyof CreatorSecrets): string {
  return `${creatorId} ${name}`;
}
