/**
 * The answer of TikTok's page or room API about a creator. `unclear`: the answer cannot be used, with the reason; `isMissing` when
 * it is well-formed but has nothing about this creator. `isOpen`: the room is neither live nor ended, but prepared or paused, and
 * may go live at any moment under this id.
 */
export type RoomAnswer =
  | { kind: 'live'; roomId: string; userId?: string; uniqueId?: string; title?: string }
  | { kind: 'offline'; roomId?: string; userId?: string; isOpen?: true }
  | { kind: 'not-found' }
  | { kind: 'unclear'; problem: string; isMissing?: true };

/** The answer of room info. */
export type RoomInfoAnswer =
  | {
      kind: 'info';
      roomId: string;
      live: boolean;
      status: number;
      title?: string;
      userId?: string;
      uniqueId?: string;
      nickname?: string;
      viewers?: number;
      viewersTotal?: number;
      /** Unix seconds. */
      startedAt?: number;
    }
  | { kind: 'gated'; code: number }
  | { kind: 'finished' }
  | { kind: 'unclear'; problem: string };

/** `liveRoom.status` and `room.status` of a room that is on air; 4 is ended, others are being prepared or paused. */
const STATUS_LIVE = 2;
const STATUS_ENDED = 4;
const CODE_NO_SUCH_USER = 19881007;
const CODE_BAD_PARAMETER = 19881005;
const CODE_FINISHED = 30003;
/** Login needed; three forms of the age gate. Such a room can still be connected to. */
const CODES_GATED = new Set([20003, 4003182, 4003110, 10011]);
const TITLE_LENGTH_MAX = 500;
/** Of a page, in UTF-16 units; TikTok's have 300 KB. Over HTTP the body is bounded already, a page out of a browser is not. */
const PAGE_LENGTH_MAX = 4_194_304;

/** Reads the live page of a creator: JSON inside `<script id="SIGI_STATE">`. */
export function readLivePage(page: string): RoomAnswer {
  const html = page.length > PAGE_LENGTH_MAX ? page.slice(0, PAGE_LENGTH_MAX) : page;
  if (html.trim() === '') return unclear('an empty page: TikTok does not trust this session');
  const start = stateStart(html);
  if (start === undefined) return unclear(/captcha|tiktok-verify-page/i.test(html) ? 'a captcha page' : 'a page without SIGI_STATE');
  const end = html.indexOf('</script>', start);
  const state = parse(html.slice(start, end < 0 ? undefined : end));
  if (state === undefined) return unclear('SIGI_STATE is not JSON');
  const liveRoom = member(state, 'LiveRoom');
  const info = member(liveRoom, 'liveRoomUserInfo');
  if (typeof info === 'object' && info !== null) return readLiveRoom(info);
  const isMissing = typeof liveRoom === 'object' && liveRoom !== null;
  return { ...unclear('SIGI_STATE has no live room of this creator'), ...(isMissing ? { isMissing } : {}) };
}

/** Reads the answer of `api-live/user/room/`. */
export function readRoomApi(text: string): RoomAnswer {
  if (text.trim() === '') return unclear('an empty answer: TikTok does not trust this session');
  const answer = parse(text);
  if (answer === undefined) return unclear('the answer is not JSON');
  const code = numberOf(member(answer, 'statusCode') ?? member(answer, 'status_code')) ?? 0;
  if (code === CODE_NO_SUCH_USER) return { kind: 'not-found' };
  if (code === CODE_BAD_PARAMETER) return unclear(`code ${code}: TikTok does not accept this name`);
  if (code !== 0) return unclear(`code ${code}${messageOf(answer)}`);
  const data = member(answer, 'data');
  return data === undefined ? unclear('the answer has no data') : readLiveRoom(data);
}

/** Reads the answer of `webcast/room/info/`. */
export function readRoomInfo(text: string, roomId: string): RoomInfoAnswer {
  if (text.trim() === '') return unclear('an empty answer: TikTok does not trust this session');
  const answer = parse(text);
  if (answer === undefined) return unclear('the answer is not JSON');
  const code = numberOf(member(answer, 'status_code') ?? member(answer, 'statusCode')) ?? 0;
  if (CODES_GATED.has(code)) return { kind: 'gated', code };
  if (code === CODE_FINISHED) return { kind: 'finished' };
  const data = member(answer, 'data');
  if (code !== 0) return unclear(`code ${code}${messageOf(data) || messageOf(answer)}`);
  const status = numberOf(member(data, 'status'));
  if (status === undefined) return unclear('the answer has no status');
  if (status === STATUS_ENDED) return { kind: 'finished' };
  const owner = member(data, 'owner');
  return {
    kind: 'info',
    roomId,
    live: status === STATUS_LIVE,
    status,
    title: titleOf(member(data, 'title')),
    userId: idOf(member(owner, 'id_str') ?? member(data, 'owner_user_id_str')),
    uniqueId: textOf(member(owner, 'display_id'))?.toLowerCase(),
    nickname: textOf(member(owner, 'nickname'))?.slice(0, TITLE_LENGTH_MAX),
    viewers: numberOf(member(data, 'user_count')),
    viewersTotal: numberOf(member(member(data, 'stats'), 'total_user')),
    startedAt: numberOf(member(data, 'create_time')),
  };
}

/** Reads the answer of `webcast/room/check_alive/`: liveness of those of `roomIds` it speaks of. */
export function readCheckAlive(text: string, roomIds: readonly string[]): Map<string, boolean> | { problem: string } {
  if (text.trim() === '') return { problem: 'an empty answer: TikTok does not trust this session' };
  const answer = parse(text);
  const code = numberOf(member(answer, 'status_code')) ?? 0;
  if (code !== 0) return { problem: `code ${code}${messageOf(answer)}` };
  const data = member(answer, 'data');
  if (!Array.isArray(data)) return { problem: 'the answer has no list' };
  const asked = new Set(roomIds);
  const rounded = new Map<number, string | undefined>();
  for (const id of asked) rounded.set(Number(id), rounded.has(Number(id)) ? undefined : id);
  const alive = new Map<string, boolean>();
  for (const entry of data as unknown[]) {
    // room_id is a JSON number beyond 2^53: it is compared as the rounded number it becomes when room_id_str is missing.
    const exact = textOf(member(entry, 'room_id_str')) ?? textOf(member(entry, 'room_id'));
    const roomId = exact ?? rounded.get(numberOf(member(entry, 'room_id')) ?? -1);
    const isAlive = member(entry, 'alive');
    if (roomId !== undefined && asked.has(roomId) && typeof isAlive === 'boolean') alive.set(roomId, isAlive);
  }
  return alive;
}

/** `{user, liveRoom}` of both the page and the API. The room id stays filled while offline: only the status decides. */
function readLiveRoom(info: unknown): RoomAnswer {
  const user = member(info, 'user');
  const liveRoom = member(info, 'liveRoom');
  const status = numberOf(member(liveRoom, 'status')) ?? numberOf(member(user, 'status'));
  if (status === undefined) return unclear('the answer has no live status');
  const roomId = idOf(member(user, 'roomId'));
  const userId = idOf(member(user, 'id'));
  if (status !== STATUS_LIVE) {
    const isOpen = status !== STATUS_ENDED && status > 0 && roomId !== undefined;
    return { kind: 'offline', roomId, userId, ...(isOpen ? { isOpen } : {}) };
  }
  if (roomId === undefined) return unclear('the creator is live but the answer has no room id');
  const uniqueId = textOf(member(user, 'uniqueId'))?.toLowerCase();
  return { kind: 'live', roomId, userId, uniqueId, title: titleOf(member(liveRoom, 'title')) };
}

/**
 * Where the content of `<script id="SIGI_STATE">` begins. It walks from tag to tag: a pattern that runs from each `<script` to
 * the next `>` is quadratic, and a broken page of 256 KB would stop the process for seconds.
 */
function stateStart(html: string): number | undefined {
  let tag = html.indexOf('<script');
  while (tag >= 0) {
    const end = html.indexOf('>', tag);
    if (end < 0) return undefined;
    if (/\bid="SIGI_STATE"/.test(html.slice(tag, end))) return end + 1;
    tag = html.indexOf('<script', end);
  }
  return undefined;
}

function unclear(problem: string): { kind: 'unclear'; problem: string } {
  return { kind: 'unclear', problem };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>)[name] : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function titleOf(value: unknown): string | undefined {
  return textOf(value)?.slice(0, TITLE_LENGTH_MAX);
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'string' && /^-?\d{1,15}$/.test(value)) return Number(value);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** A snowflake id. As a JSON number it has lost its last digits, so only text counts. */
function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[1-9]\d{0,19}$/.test(value) ? value : undefined;
}

function messageOf(answer: unknown): string {
  const message = textOf(member(answer, 'message')) ?? textOf(member(answer, 'status_msg')) ?? textOf(member(answer, 'prompts'));
  return message === undefined ? '' : ` (${message.slice(0, 100)})`;
}
