import type { TikTokLiveConnection } from 'tiktok-live-connector';

/** The part of tiktok-live-connector's constructor options (2.4 and 2.5) that points it at a simulator. */
export type ConnectorOptions = Pick<ConstructorParameters<typeof TikTokLiveConnection>[1], 'webConfigOverrides' | 'webClientOptions'>;

/**
 * Options with which the unmodified `TikTokLiveConnection` uses the simulator as TikTok. They override its hosts, and a `got` hook
 * changes its https requests to loopback into http; both are documented options. Signing is separate: give `eulerApiInstance`, or
 * `SIGN_API_URL`, the address of the signer.
 */
export function connectorOptions(simulatorUrl: string): ConnectorOptions {
  const { host } = new URL(simulatorUrl);
  const toHttp = (options: { url?: string | URL }) => {
    if (options.url === undefined) return;
    const url = new URL(options.url);
    if (url.host !== host || url.protocol !== 'https:') return;
    url.protocol = 'http:';
    options.url = url;
  };
  // The type requires a cookie jar too, but the library always replaces it with its own.
  const webClientOptions = { hooks: { beforeRequest: [toHttp] } } as unknown as ConnectorOptions['webClientOptions'];
  return { webConfigOverrides: { TIKTOK_HOST_WEB: host, TIKTOK_HOST_WEBCAST: host }, webClientOptions };
}
