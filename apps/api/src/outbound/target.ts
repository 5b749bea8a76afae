/** Where a webhook goes: a URL that was parsed once, by the parser whose verdict counts. */
export interface Target {
  origin: string;
  /** Path and query. */
  path: string;
  /** Without brackets. */
  hostname: string;
  port: number;
}

const URL_CHARACTERS_MAX = 2_048;

/** Reads the URL of an endpoint; a text says what was expected instead. Nothing is stripped or repaired in silence. */
export function readTarget(text: string): Target | string {
  if (text.length > URL_CHARACTERS_MAX) return `a URL of at most ${URL_CHARACTERS_MAX} characters`;
  // The parser would drop or turn these without a word.
  if (/[\s\\\p{Cc}]/u.test(text)) return 'a URL without white space, control characters and backslashes';
  if (!URL.canParse(text)) return 'an absolute URL such as https://example.com/hooks';
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'a URL that starts with https:// or http://';
  if (!/^https?:\/\/[^/]/i.test(text)) return 'a URL with two slashes and a host after its scheme';
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/?#]*@/.test(text))
    return 'a URL without a user name or password; use headers';
  if (text.includes('#')) return 'a URL without a fragment';
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  if (hostname === '') return 'a URL with a host';
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (port === 0) return 'a URL with a port that can be reached';
  return { origin: url.origin, path: `${url.pathname}${url.search}`, hostname, port };
}
