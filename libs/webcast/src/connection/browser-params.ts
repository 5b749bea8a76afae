/** Properties of the viewer's browser that the socket sends besides the user agent. */
export interface SocketLocale {
  /** BCP 47 with region, such as `en-DE`. */
  languageTag: string;
  timeZone: string;
  screenWidthPx: number;
  screenHeightPx: number;
}

/** The client library's own preset, which TikTok sees every day. */
export const DEFAULT_LOCALE: Readonly<SocketLocale> = Object.freeze({
  languageTag: 'en-DE',
  timeZone: 'Europe/Berlin',
  screenWidthPx: 1920,
  screenHeightPx: 1080,
});

/**
 * Query parameters that describe the browser behind `userAgent`, as its `navigator` would. TikTok compares them with
 * the User-Agent header and answers nothing when they disagree.
 */
export function browserParams(userAgent: string, locale: SocketLocale = DEFAULT_LOCALE) {
  const slash = userAgent.indexOf('/');
  const language = locale.languageTag.split('-', 1)[0] ?? 'en';
  return {
    app_language: language,
    browser_platform: platformOf(userAgent),
    browser_language: locale.languageTag,
    browser_name: slash > 0 ? userAgent.slice(0, slash) : 'Mozilla',
    browser_version: slash > 0 ? userAgent.slice(slash + 1) : userAgent,
    tz_name: locale.timeZone,
    webcast_language: language,
    screen_height: String(locale.screenHeightPx),
    screen_width: String(locale.screenWidthPx),
  };
}

function platformOf(userAgent: string): string {
  if (/iPhone|iPad/.test(userAgent)) return userAgent.includes('iPad') ? 'iPad' : 'iPhone';
  if (userAgent.includes('Macintosh')) return 'MacIntel';
  if (userAgent.includes('Android')) return 'Linux armv81';
  if (userAgent.includes('Linux')) return 'Linux x86_64';
  return 'Win32';
}
