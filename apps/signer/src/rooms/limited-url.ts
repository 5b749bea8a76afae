import { SignError } from '../http/answer.js';

/** Addresses that are about one room, named by `room_id` alone. */
const PATHS: ReadonlySet<string> = new Set(['/webcast/im/fetch', '/webcast/room/info', '/webcast/gift/list']);

/** What web clients say of themselves and of their place in a room; none of it names a room or a person. */
const PARAMETERS: ReadonlySet<string> = new Set([
  ...['aid', 'app_language', 'app_name', 'browser_language', 'browser_name', 'browser_online', 'browser_platform', 'browser_version'],
  ...[
    'channel',
    'client_enter',
    'compress',
    'cookie_enabled',
    'cursor',
    'data_collection_enabled',
    'debug',
    'device_id',
    'device_platform',
  ],
  ...['device_type', 'did_rule', 'endpoint', 'fetch_interval', 'fetch_rule', 'focus_state', 'from_page', 'heartbeat_duration'],
  ...['history_comment_count', 'history_comment_cursor', 'history_len', 'identity', 'internal_ext', 'is_fullscreen', 'is_page_visible'],
  ...['last_rtt', 'live_id', 'os', 'priority_region', 'referer', 'region', 'resp_content_type', 'room_id', 'root_referer', 'screen_height'],
  ...['screen_width', 'sup_ws_ds_opt', 'support_wrds', 'tz_name', 'update_version_code', 'user_is_login', 'version_code'],
  ...['webcast_language', 'webcast_sdk_version', 'ws_direct'],
]);

/**
 * The room of a URL, for a caller that is limited to some creators. TikTok reads the URL, not this process. So the URL must not be
 * ambiguous, and must not name another room anywhere.
 * @throws SignError 403 naming the part that is not allowed
 */
export function roomOfLimitedUrl({ pathname, search }: URL, { method, payload }: { method: string; payload?: string }): string {
  const refuse = (what: string) => new SignError(403, 'forbidden', `for some creators only, URLs are signed ${what}`);
  if (method !== 'GET' && method !== 'HEAD') throw refuse('for GET and HEAD alone');
  if (payload !== undefined) throw refuse('without a payload');
  if (!PATHS.has(pathname.replace(/\/$/, ''))) throw refuse(`of ${[...PATHS].join(', ')} alone`);
  // Some servers take it for `&`.
  if (search.includes(';')) throw refuse('without a semicolon in their query');
  // As they are written: an encoded name is another one here, and may be the same one there.
  const pairs = search.slice(1).split('&').filter(Boolean);
  const names = pairs.map((pair) => pair.split('=', 1)[0] ?? '');
  const unknown = names.find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined) throw refuse(`without the parameter ${unknown.slice(0, 40)}`);
  const rooms = pairs.filter((pair) => pair.startsWith('room_id=')).map((pair) => pair.slice('room_id='.length));
  const [room = ''] = rooms;
  if (rooms.length !== 1 || names.filter((name) => name === 'room_id').length !== 1 || !/^[1-9]\d{4,19}$/.test(room))
    throw refuse('that name one room, by one room_id of 5 to 20 digits');
  const others = [...decoded(search).matchAll(/room_?id\W{1,3}(\d+)/gi)].map(([, id]) => id);
  if (others.some((id) => id !== room)) throw refuse('that name no other room inside another parameter');
  return room;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
