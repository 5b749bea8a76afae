import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** A signed URL and its tokens. */
export interface SignedUrl {
  signedUrl: string;
  userAgent: string;
  tokens: { 'X-Bogus': string; 'X-Gnarly': string; msToken: string };
}

/** Why a request is refused. Only the log and the stats show it, since TikTok answers no reason. */
export type Refusal =
  | 'no signature'
  | 'signature expired'
  | 'signature wrong'
  | 'signature not of the page'
  | 'browser parameters disagree'
  | 'no session cookie'
  | 'session cookie unknown';

export interface SecretsOptions {
  /** Life of a signed URL, in ms; TikTok's is about 30 s. */
  signatureTtlMs: number;
  /** Life of a cursor and internalExt pair, in ms. */
  bundleTtlMs: number;
  /** Only what the page's own SDK signed counts. */
  pageOnly?: boolean;
  /** Key that all secrets are derived from, so that sessions outlive a restart; random when missing or empty. */
  key?: string;
}

const TOKENS = ['X-Bogus', 'X-Gnarly', 'msToken', '_signature'];
/** Life of a page and so of its key. */
const PAGE_TTL_MS = 3_600_000;
/** Life of a ttwid cookie; TikTok sets a year. */
const TTWID_TTL_MS = 365 * 86_400_000;
/** One internalExt signature serves this long, so that a frame needs no HMAC. */
const EXT_BUCKET_MS = 10_000;

/**
 * Everything that only TikTok can make: URL signatures, session cookies, cursors. It keeps no state: each value contains its own
 * HMAC, whose key never leaves this object. So a million values cost no memory, and nobody else can make one.
 */
export class Secrets {
  private readonly key: Buffer;

  constructor(private readonly options: SecretsOptions) {
    this.key = options.key ? createHash('sha256').update(options.key).digest() : randomBytes(32);
  }

  /** A new `ttwid` value, as it stands in a cookie (percent-encoded). */
  issueTtwid(now: number): string {
    const body = `1|${randomBytes(32).toString('base64url')}|${Math.floor(now / 1000)}`;
    return encodeURIComponent(`${body}|${this.mac('ttwid', body).toString('hex')}`);
  }

  /** Whether this `ttwid` value, encoded or not, was issued here. */
  knowsTtwid(value: string | undefined, now: number): boolean {
    if (value === undefined || value.length > 1_000) return false;
    const parts = decodeSafely(value).split('|');
    if (parts.length !== 4 || now - Number(parts[2]) * 1000 > TTWID_TTL_MS) return false;
    return same(this.mac('ttwid', parts.slice(0, 3).join('|')).toString('hex'), parts[3] ?? '');
  }

  /**
   * Signs a webcast URL for one user agent, as the SDK in TikTok's page does. Scheme and host do not count; path, every
   * parameter (so the room too) and the user agent do.
   */
  sign(url: string, userAgent: string, now: number): SignedUrl {
    const bare = stripTokens(url);
    const msToken = Buffer.concat([timestamp(now), randomBytes(72)]).toString('base64url');
    const bogus = this.bogus(bare, userAgent, msToken);
    const gnarly = this.gnarly(bare, userAgent, msToken);
    const separator = bare.includes('?') ? (/[?&]$/.test(bare) ? '' : '&') : '?';
    return {
      signedUrl: `${bare}${separator}msToken=${msToken}&X-Bogus=${bogus}&X-Gnarly=${gnarly}`,
      userAgent,
      tokens: { 'X-Bogus': bogus, 'X-Gnarly': gnarly, msToken },
    };
  }

  /** Why this request's signature or session is refused; undefined when both are valid. */
  refusal(url: string, userAgent: string, cookies: ReadonlyMap<string, string>, now: number): Refusal | undefined {
    const query = parse(url).searchParams;
    const msToken = query.get('msToken');
    const bogus = query.get('X-Bogus');
    const gnarly = query.get('X-Gnarly');
    if (!msToken || !bogus || !gnarly) return 'no signature';
    const bare = stripTokens(url);
    const ofPage = readPageToken(msToken);
    if (!ofPage && this.options.pageOnly) return 'signature not of the page';
    const own = ofPage ? this.pageSignature(bare, userAgent, msToken, ofPage.pageId) : this.signature(bare, userAgent, msToken);
    if (!same(own.bogus, bogus) || !same(own.gnarly, gnarly)) return 'signature wrong';
    if (ofPage && !agrees(query, userAgent)) return 'browser parameters disagree';
    const signedAt = ofPage ? ofPage.at : Buffer.from(msToken, 'base64url').readUIntBE(0, 6);
    if (now - signedAt > this.options.signatureTtlMs || signedAt > now + 1_000) return 'signature expired';
    const ttwid = cookies.get('ttwid');
    if (ttwid === undefined) return 'no session cookie';
    return this.knowsTtwid(ttwid, now) ? undefined : 'session cookie unknown';
  }

  /** Id of a page shown to the visitor with this cookie; its SDK signs with a key that belongs to it. */
  issuePage(ttwid: string, now: number): string {
    const body = `${now.toString(36)}-${randomBytes(9).toString('base64url')}`;
    return `${body}~${this.pageMac(body, ttwid)}`;
  }

  /** The key of a page, masked by the user agent that asked for it; undefined when it is not this visitor's page. */
  maskedPageKey(pageId: string, ttwid: string, userAgent: string, now: number): string | undefined {
    const [body = '', mac = ''] = pageId.split('~');
    if (!same(this.pageMac(body, ttwid), mac) || now - parseInt(body, 36) > PAGE_TTL_MS) return undefined;
    const mask = createHash('sha256').update(`${userAgent}|${pageId}`).digest();
    return Buffer.from(this.mac('page', pageId).map((byte, index) => byte ^ (mask[index] ?? 0))).toString('hex');
  }

  private pageMac(body: string, ttwid: string): string {
    return this.mac('pageId', `${body}|${decodeSafely(ttwid)}`)
      .toString('base64url')
      .slice(0, 16);
  }

  private pageSignature(bare: string, userAgent: string, msToken: string, pageId: string): { bogus: string; gnarly: string } {
    const key = this.mac('page', pageId);
    const sign = (...parts: string[]) => createHmac('sha256', key).update(parts.join('\n')).digest('base64url');
    return {
      bogus: sign('bogus', canonical(bare), userAgent, msToken).slice(0, 28),
      gnarly: sign('gnarly', msToken, userAgent, canonical(bare)),
    };
  }

  private signature(bare: string, userAgent: string, msToken: string): { bogus: string; gnarly: string } {
    return { bogus: this.bogus(bare, userAgent, msToken), gnarly: this.gnarly(bare, userAgent, msToken) };
  }

  /** Cursor and internalExt of one moment of a room. The signature inside changes every 10 s. */
  issuePosition(roomId: string, now: number, seq: number): { cursor: string; internalExt: string } {
    const tag = this.tag(roomId, now);
    return {
      cursor: `t-${now}_r-1_d-1_u-1_h-${tag}`,
      internalExt:
        `internal_src:dim|wss_push_room_id:${roomId}|wss_push_did:${roomId.slice(0, -4)}7311|first_req_ms:${now}` +
        `|fetch_time:${now}|seq:${seq}|wss_info:0-${now}-0-0|wrds_v:${tag}`,
    };
  }

  /** Whether this pair was issued here for that room and is still alive. */
  knowsPosition(roomId: string, cursor: string, internalExt: string, now: number): boolean {
    const position = /^t-(\d{13})_r-1_d-1_u-1_h-([\w-]+)$/.exec(cursor);
    const fields = new Map(internalExt.split('|').map((part) => part.split(':', 2) as [string, string]));
    const at = Number(fields.get('fetch_time'));
    if (!position || fields.get('wss_push_room_id') !== roomId || !Number.isSafeInteger(at)) return false;
    if (now - at > this.options.bundleTtlMs) return false;
    return same(this.tag(roomId, at), fields.get('wrds_v') ?? '') && same(this.tag(roomId, Number(position[1])), position[2] ?? '');
  }

  private readonly tags = new Map<string, { bucket: number; tag: string }>();

  private tag(roomId: string, at: number): string {
    const bucket = Math.floor(at / EXT_BUCKET_MS);
    const known = this.tags.get(roomId);
    if (known?.bucket === bucket) return known.tag;
    const tag = this.mac('position', `${roomId}|${bucket}`).toString('base64url').slice(0, 24);
    if (this.tags.size >= 10_000) this.tags.clear();
    this.tags.set(roomId, { bucket, tag });
    return tag;
  }

  private bogus(url: string, userAgent: string, msToken: string): string {
    return this.mac('bogus', `${canonical(url)}\n${userAgent}\n${msToken}`)
      .toString('base64url')
      .slice(0, 28);
  }

  private gnarly(url: string, userAgent: string, msToken: string): string {
    const mac = this.mac('gnarly', `${msToken}\n${userAgent}\n${canonical(url)}`);
    return Buffer.concat([mac, this.mac('gnarly2', mac.toString('hex'))]).toString('base64url');
  }

  private mac(purpose: string, text: string): Buffer {
    return createHmac('sha256', this.key).update(purpose).update('\0').update(text).digest();
  }
}

/** Reads a Cookie header into names and values. */
export function parseCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const part of (header ?? '').split(';')) {
    const at = part.indexOf('=');
    if (at > 0) cookies.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
  }
  return cookies;
}

function stripTokens(url: string): string {
  const [path = '', query = ''] = splitOnce(url, '?');
  const kept = query.split('&').filter((pair) => pair !== '' && !TOKENS.includes(splitOnce(pair, '=')[0] ?? ''));
  return kept.length > 0 ? `${path}?${kept.join('&')}` : path;
}

function canonical(url: string): string {
  const parsed = parse(url);
  const pairs = [...parsed.searchParams].map(([name, value]) => `${name}=${value}`).sort();
  return `${parsed.pathname.replace(/\/{2,}/g, '/')}?${pairs.join('&')}`;
}

/** A whole URL, or path and query of one; a path may begin with two slashes. */
function parse(url: string): URL {
  return new URL(url.startsWith('/') ? `http://localhost${url}` : url);
}

/** A token that a page's SDK made: `p.<page>.<ms>.<random>`. */
function readPageToken(msToken: string): { pageId: string; at: number } | undefined {
  const [, pageId = '', at] = /^p\.([\w~-]+)\.(\d{13})\.[\w-]+$/.exec(msToken) ?? [];
  return at === undefined ? undefined : { pageId, at: Number(at) };
}

/** Whether the query, where it describes a browser, describes the one that the header names. */
function agrees(query: URLSearchParams, userAgent: string): boolean {
  return !query.has('browser_version') || `${query.get('browser_name')}/${query.get('browser_version')}` === userAgent;
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function timestamp(now: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(now, 0, 6);
  return bytes;
}

function same(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
