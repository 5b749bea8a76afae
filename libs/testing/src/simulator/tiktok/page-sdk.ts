/** Data of a page with an SDK: its id is bound to the visitor's cookie. */
export interface PageSdk {
  pageId: string;
  /** The page's key, masked so that only a browser with this user agent and this page unmasks it. */
  maskedKeyHex: string;
}

/** Script tags of a page: the SDK first, so that everything after it is signed. */
export function sdkTags(pageId: string, live: boolean): string {
  const sdk = `<script src="/sdk/webmssdk.js?p=${encodeURIComponent(pageId)}"></script>`;
  return live ? `${sdk}<script src="/sdk/live.js"></script>` : sdk;
}

/**
 * The SDK of a page. Like TikTok's it wraps `fetch` and signs requests to `/webcast/`, with a key that only its closure can read. The
 * key is unmasked only where `navigator.userAgent` equals the header that the server saw.
 */
export function sdkScript({ pageId, maskedKeyHex }: PageSdk): string {
  return `(() => {
  const page = ${JSON.stringify(pageId)};
  const text = new TextEncoder();
  const key = (async () => {
    const mask = new Uint8Array(await crypto.subtle.digest('SHA-256', text.encode(navigator.userAgent + '|' + page)));
    const masked = Uint8Array.from(${JSON.stringify(maskedKeyHex)}.match(/../g), (hex) => parseInt(hex, 16));
    const raw = masked.map((byte, i) => byte ^ mask[i]);
    return crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  })();
  const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=/g, '');
  const mac = async (...parts) => base64url(new Uint8Array(await crypto.subtle.sign('HMAC', await key, text.encode(parts.join('\\n')))));
  const canonical = (url) => url.pathname + '?' + [...url.searchParams].map(([name, value]) => name + '=' + value).sort().join('&');
  const sign = async (url) => {
    for (const name of ['X-Bogus', 'X-Gnarly', 'msToken', '_signature']) url.searchParams.delete(name);
    const bare = url.href.replace(/[?&]$/, '');
    const token = 'p.' + page + '.' + Date.now() + '.' + base64url(crypto.getRandomValues(new Uint8Array(12)));
    const bogus = (await mac('bogus', canonical(new URL(bare)), navigator.userAgent, token)).slice(0, 28);
    const gnarly = await mac('gnarly', token, navigator.userAgent, canonical(new URL(bare)));
    return bare + (url.search ? '&' : '?') + 'msToken=' + token + '&X-Bogus=' + bogus + '&X-Gnarly=' + gnarly;
  };
  const plain = window.fetch.bind(window);
  window.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input), location.href);
    return plain(url.pathname.startsWith('/webcast/') ? await sign(url) : input, init);
  };
})();
`;
}

/** The live page's own code: it asks for the connect bundle of the room it shows. */
export const LIVE_SCRIPT = `(() => {
  const info = JSON.parse(document.getElementById('SIGI_STATE').textContent).LiveRoom.liveRoomUserInfo;
  if (!info || info.liveRoom.status !== 2) return;
  const slash = navigator.userAgent.indexOf('/');
  const query = new URLSearchParams({
    aid: '1988', app_name: 'tiktok_web', device_platform: 'web', live_id: '12', version_code: '180800',
    browser_name: navigator.userAgent.slice(0, slash), browser_version: navigator.userAgent.slice(slash + 1),
    browser_language: navigator.language, cursor: '', internal_ext: '', resp_content_type: 'protobuf', room_id: info.user.roomId,
  });
  void fetch('/webcast/im/fetch/?' + query.toString(), { credentials: 'include' });
})();
`;
