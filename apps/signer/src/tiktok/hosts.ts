import { isTikTokHost } from '@tributary/webcast';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]', '0.0.0.0']);

/** Whether a URL is one of TikTok's own, on the default port. */
export function isTikTok(url: URL): boolean {
  return url.port === '' && isTikTokHost(url.hostname);
}

/** The only hosts that requests go to: TikTok's, and those of the configuration (the simulator). */
export class Hosts {
  private readonly configured: Set<string>;

  constructor(configuredUrls: string[]) {
    this.configured = new Set(configuredUrls.map((text) => placeOf(new URL(text))));
  }

  allows(url: URL): boolean {
    if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '') return false;
    return isTikTok(url) || this.configured.has(placeOf(url));
  }
}

/** Host and port, all names of this machine being one. */
function placeOf(url: URL): string {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return `${LOOPBACK.has(url.hostname) ? 'loopback' : url.hostname}:${port}`;
}
