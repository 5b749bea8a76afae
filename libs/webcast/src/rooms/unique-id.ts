/** A creator's handle read from pasted text, or one sentence on why it is not one. */
export type UniqueIdResult = { ok: true; uniqueId: string } | { ok: false; reason: string };

const TEXT_LENGTH_MAX = 2_048;
/** Zero-width and direction characters that are copied together with a name from a page or a phone. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;
/** The look-behind keeps it linear: a run of these is tried from its first character only. */
const WRAPPERS = /^["'<([{«“‘`]+|(?<!["'>)\]}»”’`,;])["'>)\]}»”’`,;]+$/gu;
const TIKTOK_HOST = /^(?:[a-z0-9-]+\.)*tiktok\.com$/;
const SHORT_LINK_HOST = /^(?:vm|vt)\.tiktok\.com$/;

const refuse = (reason: string): UniqueIdResult => ({ ok: false, reason });

/**
 * Reads a creator's handle from any form people paste: `name`, `@name`, `@name/live`, `tiktok.com/@name`,
 * `https://www.tiktok.com/@name/live?..`, `m.tiktok.com/@name`, with stray spaces, quotes, invisible or full-width characters.
 * Short links (`vm.tiktok.com/..`) contain no handle and are refused.
 */
export function readUniqueId(text: string): UniqueIdResult {
  if (text.length > TEXT_LENGTH_MAX) return refuse(`longer than ${TEXT_LENGTH_MAX} characters`);
  const clean = text.normalize('NFKC').replace(INVISIBLE, '').trim().replace(WRAPPERS, '').trim();
  if (clean === '') return refuse('empty');
  if (clean.startsWith('//')) return readAddress(`https:${clean}`);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(clean)) return readAddress(clean);
  if (clean.startsWith('@') || clean.startsWith('%40')) return readHandle(decode(clean.split(/[/?#]/, 1)[0] ?? '').slice(1));
  const host = clean.split(/[/?#]/, 1)[0]?.toLowerCase() ?? '';
  if (TIKTOK_HOST.test(host)) return readAddress(`https://${clean}`);
  const [name = '', rest] = clean.split(/[/?#](.*)/s);
  if (rest !== undefined && rest !== '' && !/^live\b/i.test(rest)) return refuse('neither a handle nor a TikTok address');
  return readHandle(name);
}

/** The handle in a pasted text, or undefined. {@link readUniqueId} also says why. */
export function parseUniqueId(text: string): string | undefined {
  const result = readUniqueId(text);
  return result.ok ? result.uniqueId : undefined;
}

function readAddress(text: string): UniqueIdResult {
  if (!URL.canParse(text)) return refuse('not a readable address');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return refuse('an address must begin with https://');
  const host = url.hostname.replace(/\.$/, '');
  if (!TIKTOK_HOST.test(host)) return refuse('not an address of tiktok.com');
  const [first = ''] = url.pathname.split('/').filter(Boolean);
  if (SHORT_LINK_HOST.test(host) || first === 't')
    return refuse('a short link does not name the creator; open it and paste the address it leads to');
  const segment = decode(first);
  if (!segment.startsWith('@')) return refuse('the address names no creator; expected https://www.tiktok.com/@name');
  return readHandle(segment.slice(1));
}

/**
 * Whether a text is a handle as {@link readUniqueId} gives one: what programs pass on. Read anew it could be taken for an address:
 * `tiktok.com` is a handle too, which people have to write as `@tiktok.com`.
 */
export function isUniqueId(text: string): boolean {
  const read = readHandle(text);
  return read.ok && read.uniqueId === text;
}

/** TikTok's rule: 2 to 24 of letters, digits, `_` and `.`, the last not a period; handles are lower case. */
function readHandle(text: string): UniqueIdResult {
  const handle = text.trim().toLowerCase();
  if (handle.length < 2 || handle.length > 24) return refuse('a handle has 2 to 24 characters');
  if (!/^[a-z0-9._]+$/.test(handle)) return refuse('a handle has only letters, digits, underscores and periods');
  if (handle.endsWith('.')) return refuse('a handle does not end with a period');
  return { ok: true, uniqueId: handle };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
