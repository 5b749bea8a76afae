/** Domains of TikTok's site, APIs and sockets. Requests meant for TikTok go to no other host. */
const DOMAINS = ['tiktok.com', 'tiktokv.com', 'tiktokv.us', 'tiktokv.eu', 'tiktokw.us', 'tiktokw.eu'];

/** Whether a host name, without port, is TikTok's own. */
export function isTikTokHost(hostname: string): boolean {
  return DOMAINS.some((domain) => hostname === domain || hostname.endsWith(`.${domain}`));
}
