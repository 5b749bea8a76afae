/** Domains that TikTok serves its site, its APIs and its sockets from. Nothing else is ever asked for anything in its name. */
const DOMAINS = ['tiktok.com', 'tiktokv.com', 'tiktokv.us', 'tiktokv.eu', 'tiktokw.us', 'tiktokw.eu'];

/** Whether a host name, without port, is TikTok's own. */
export function isTikTokHost(hostname: string): boolean {
  return DOMAINS.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`));
}
