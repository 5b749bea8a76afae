import { SignConfig } from 'tiktok-live-connector';

/** The part of the client library's `SignConfig` that is changed. */
type ClientSignConfig = Pick<typeof SignConfig, 'basePath' | 'apiKey' | 'baseOptions' | 'cachedInstance'>;

export interface LocalSignerOptions {
  /** Key with the scope `sign`; none is needed on loopback in development. */
  apiKey?: string;
  /** The `SignConfig` of the script's own copy of tiktok-live-connector, where that is another copy than this one's. */
  signConfig?: ClientSignConfig;
}

/**
 * Points tiktok-live-connector at your own signer: one line before the first connection is made. Connections that exist
 * already keep their signer.
 * @returns a function that puts the former settings back.
 */
export function useLocalSigner(url: string, { apiKey, signConfig = SignConfig }: LocalSignerOptions = {}): () => void {
  const { protocol } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') throw new TypeError(`url: expected http:// or https://, got ${url}`);
  const { basePath } = signConfig;
  const baseOptions = signConfig.baseOptions as Record<string, unknown> | undefined;
  const cachedInstance: unknown = signConfig.cachedInstance;
  const formerKey = signConfig.apiKey;
  // The library keeps one API client per process and writes its key into these shared headers: without a fresh
  // copy a key for another server would be sent to this one.
  const headers = Object.fromEntries(
    Object.entries({ ...(baseOptions?.headers as Record<string, string> | undefined) }).filter(
      ([name]) => name.toLowerCase() !== 'x-api-key',
    ),
  );
  signConfig.basePath = url.replace(/(?<!\/)\/+$/, '');
  signConfig.apiKey = apiKey;
  signConfig.baseOptions = { ...baseOptions, headers };
  signConfig.cachedInstance = undefined;
  return () => {
    Object.assign(signConfig, { basePath, apiKey: formerKey, baseOptions, cachedInstance });
  };
}
