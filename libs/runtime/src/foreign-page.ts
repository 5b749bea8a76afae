import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a browser sent this request for a page of another origin. Any page can send simple requests to a port of this machine, so
 * routes without a key must refuse them. Programs other than browsers send neither header.
 * @param allowed origins that may, as browsers send them
 */
export function isForeignPage({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders, allowed: readonly string[] = []): boolean {
  if (origin !== undefined && allowed.includes(origin)) return false;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  return origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
}
