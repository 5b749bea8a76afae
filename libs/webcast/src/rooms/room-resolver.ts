import { readRetryAfter } from '@tributary/runtime/retry-after';
import type { Dispatcher } from 'undici';
import { browserParams } from '../connection/browser-params.js';
import { get } from './http-get.js';
import { type RoomAnswer, type RoomInfoAnswer, readCheckAlive, readLivePage, readRoomApi, readRoomInfo } from './room-answers.js';

/** The methods of finding a room, in the order in which they are tried. */
export type ResolveMethod = 'live page' | 'room API' | 'sign server';

/** TikTok refuses this address. */
export interface Block {
  /** 403 or 429. */
  status: number;
  /** How long, where TikTok names it. */
  retryAfterMs?: number;
}

/** How an answer was found: the method that decided, the answers of the others, and whether TikTok refused a request. */
interface Found {
  source?: ResolveMethod;
  errors?: string[];
  block?: Block;
}

/** Whether a creator is live, and where. `failed` also stands for an abort. */
export type ResolveResult =
  | ({ kind: 'live'; roomId: string; uniqueId: string; userId?: string; title?: string } & Found)
  | ({ kind: 'offline'; roomId?: string; userId?: string; isOpen?: true } & Found)
  | { kind: 'not-found' }
  | ({ kind: 'blocked'; errors: string[] } & Block)
  | { kind: 'failed'; errors: string[] };

/** Room info. `gated`: behind login or an age gate, which does not keep a viewer from connecting. */
export type RoomInfoResult =
  Exclude<RoomInfoAnswer, { kind: 'unclear' }> | ({ kind: 'blocked' } & Block) | { kind: 'failed'; errors: string[] };

/** Liveness of many rooms. A room missing in TikTok's answer is absent. */
export type CheckAliveResult =
  { kind: 'ok'; alive: Map<string, boolean> } | ({ kind: 'blocked' } & Block) | { kind: 'failed'; errors: string[] };

/** A creator's room as a sign server knows it: what `Signer.roomId` answers. */
export type SignedRoom = { ok: true; live: boolean; roomId?: string } | { ok: false; reason: string; message: string };

/** Identity of a request. Cookies and proxy belong to one creator and are used for that call alone. */
export interface RequestIdentity {
  /** A Cookie header value. */
  cookies?: string;
  userAgent?: string;
  dispatcher?: Dispatcher;
}

export interface RoomResolverOptions {
  /** `https://www.tiktok.com`, or the simulator. */
  webUrl: string;
  /** `https://webcast.tiktok.com`, or the simulator. */
  webcastUrl: string;
  userAgent: string;
  /** For each request. */
  timeoutMs: number;
  /** The third method: what a sign server says. Without it there are two. */
  signRoomId?: (uniqueId: string, signal: AbortSignal) => Promise<SignedRoom>;
  dispatcher?: Dispatcher;
  /** Bytes of one answer, as sent and unpacked; 4 MiB unless given. */
  bodyBytesMax?: number;
}

/** Rooms one liveness request may name. */
export const CHECK_ALIVE_ROOMS_MAX = 50;
const BODY_BYTES_MAX = 4_194_304;

type Fetched = { kind: 'body'; body: string } | ({ kind: 'blocked' } & Block) | { kind: 'error'; message: string };

/** Finds rooms and their state. Keeps nothing between calls; the caller decides pace, retries and caching. */
export class RoomResolver {
  private readonly webUrl: string;
  private readonly webcastUrl: string;

  /** @throws Error when a base URL is not http(s), or would reach TikTok in clear. */
  constructor(private readonly options: RoomResolverOptions) {
    this.webUrl = baseUrl('webUrl', options.webUrl);
    this.webcastUrl = baseUrl('webcastUrl', options.webcastUrl);
  }

  /**
   * Finds out whether `uniqueId` (a handle, lower case) is live. Three methods are tried until one decides: live page, room API,
   * sign server. After a 429 the first two are skipped, since another request from this address would make the block worse. The
   * room API has reported live creators as unknown, so that answer counts only when the page does not have the creator either.
   */
  async resolve(uniqueId: string, signal: AbortSignal, identity: RequestIdentity = {}): Promise<ResolveResult> {
    const errors: string[] = [];
    let block: Extract<Fetched, { kind: 'blocked' }> | undefined;
    let isMissing = false;
    for (const { name, url, read } of this.methods(uniqueId, identity)) {
      if (signal.aborted || block?.status === 429) break;
      const fetched = await this.fetch(url, identity, signal);
      if (fetched.kind === 'body') {
        const answer = read(fetched.body);
        if (answer.kind === 'not-found' && !isMissing) {
          errors.push(`${name}: no such user, but no other answer says so`);
        } else if (answer.kind !== 'unclear') {
          return decided(answer, name, uniqueId, errors, block);
        } else {
          isMissing ||= answer.isMissing === true;
          errors.push(`${name}: ${answer.problem}`);
        }
      } else if (fetched.kind === 'blocked') {
        errors.push(`${name}: blocked with ${fetched.status}`);
        block = longerBlock(block, fetched);
      } else errors.push(`${name}: ${fetched.message}`);
    }
    if (this.options.signRoomId && !signal.aborted) {
      const answer = readSigned(await this.options.signRoomId(uniqueId, signal));
      if (answer.kind !== 'unclear') return decided(answer, 'sign server', uniqueId, errors, block);
      errors.push(`sign server: ${answer.problem}`);
    }
    if (block) return { ...block, errors };
    return { kind: 'failed', errors: signal.aborted ? [...errors, 'aborted'] : errors };
  }

  /** Asks for the title, owner and viewers of a room. A room can be connected to without it. */
  async roomInfo(roomId: string, signal: AbortSignal, identity: RequestIdentity = {}): Promise<RoomInfoResult> {
    const url = this.url(this.webcastUrl, '/webcast/room/info/', { room_id: roomId }, identity);
    const fetched = await this.fetch(url, identity, signal);
    if (fetched.kind === 'blocked') return fetched;
    if (fetched.kind === 'error') return { kind: 'failed', errors: [`room info: ${fetched.message}`] };
    const answer = readRoomInfo(fetched.body, roomId);
    return answer.kind === 'unclear' ? { kind: 'failed', errors: [`room info: ${answer.problem}`] } : answer;
  }

  /**
   * Asks in one request which of up to {@link CHECK_ALIVE_ROOMS_MAX} rooms are on air.
   * @throws RangeError for more rooms.
   */
  async checkAlive(roomIds: readonly string[], signal: AbortSignal, identity: RequestIdentity = {}): Promise<CheckAliveResult> {
    if (roomIds.length > CHECK_ALIVE_ROOMS_MAX) throw new RangeError(`roomIds: at most ${CHECK_ALIVE_ROOMS_MAX}, not ${roomIds.length}`);
    if (roomIds.length === 0) return { kind: 'ok', alive: new Map() };
    const url = this.url(this.webcastUrl, '/webcast/room/check_alive/', { room_ids: roomIds.join(',') }, identity);
    const fetched = await this.fetch(url, identity, signal);
    if (fetched.kind === 'blocked') return fetched;
    if (fetched.kind === 'error') return { kind: 'failed', errors: [`check alive: ${fetched.message}`] };
    const alive = readCheckAlive(fetched.body, roomIds);
    return alive instanceof Map ? { kind: 'ok', alive } : { kind: 'failed', errors: [`check alive: ${alive.problem}`] };
  }

  private methods(uniqueId: string, identity: RequestIdentity): { name: ResolveMethod; url: URL; read: (body: string) => RoomAnswer }[] {
    return [
      { name: 'live page', url: new URL(`${this.webUrl}/@${encodeURIComponent(uniqueId)}/live`), read: readLivePage },
      {
        name: 'room API',
        url: this.url(this.webUrl, '/api-live/user/room/', { uniqueId, sourceType: '54' }, identity),
        read: readRoomApi,
      },
    ];
  }

  private url(base: string, path: string, params: Record<string, string>, identity: RequestIdentity): URL {
    const url = new URL(`${base}${path}`);
    const common = { aid: '1988', app_name: 'tiktok_web', device_platform: 'web_pc' };
    url.search = new URLSearchParams({ ...common, ...browserParams(identity.userAgent ?? this.options.userAgent), ...params }).toString();
    return url;
  }

  private async fetch(url: URL, identity: RequestIdentity, signal: AbortSignal): Promise<Fetched> {
    const headers: Record<string, string> = {
      'user-agent': identity.userAgent ?? this.options.userAgent,
      accept: 'text/html,application/json',
      'accept-language': 'en-US,en;q=0.9',
      referer: `${this.webUrl}/`,
    };
    if (identity.cookies) headers.cookie = identity.cookies;
    const answer = await get(
      url,
      {
        headers,
        timeoutMs: this.options.timeoutMs,
        bodyBytesMax: this.options.bodyBytesMax ?? BODY_BYTES_MAX,
        dispatcher: identity.dispatcher ?? this.options.dispatcher,
      },
      signal,
    );
    if (!answer.ok) return { kind: 'error', message: answer.message };
    if (answer.status === 403 || answer.status === 429) {
      const retryAfterMs = readRetryAfter(answer.headers['retry-after']);
      return { kind: 'blocked', status: answer.status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    }
    if (answer.status >= 300 && answer.status < 400)
      return { kind: 'error', message: `redirected (${answer.status}) ${redirectTarget(answer.headers.location)}` };
    if (answer.status !== 200) return { kind: 'error', message: `status ${answer.status}` };
    return { kind: 'body', body: answer.body };
  }
}

function readSigned(signed: SignedRoom): RoomAnswer {
  if (signed.ok) {
    const { live, roomId } = signed;
    if (!live) return { kind: 'offline', roomId };
    return roomId === undefined ? { kind: 'unclear', problem: 'live, but without a room id' } : { kind: 'live', roomId };
  }
  if (signed.reason === 'not-found' || signed.reason === 'offline') return { kind: signed.reason };
  return { kind: 'unclear', problem: `${signed.reason}: ${signed.message}` };
}

function decided(
  answer: Exclude<RoomAnswer, { kind: 'unclear' }>,
  source: ResolveMethod,
  uniqueId: string,
  errors: string[],
  block: Block | undefined,
): ResolveResult {
  if (answer.kind === 'not-found') return answer;
  const refused = block && { block: { status: block.status, retryAfterMs: block.retryAfterMs } };
  const kept = { source, ...(errors.length > 0 ? { errors } : {}), ...refused };
  return answer.kind === 'live' ? { ...answer, uniqueId: answer.uniqueId ?? uniqueId, ...kept } : { ...answer, ...kept };
}

function longerBlock<B extends { retryAfterMs?: number }>(first: B | undefined, second: B): B {
  return first !== undefined && (first.retryAfterMs ?? 0) >= (second.retryAfterMs ?? 0) ? first : second;
}

/** Where a redirect leads, without its query: login and captcha pages have tokens there. */
function redirectTarget(location: string | string[] | undefined): string {
  const text = Array.isArray(location) ? location[0] : location;
  return `to ${(text ?? 'nowhere').split('?', 1)[0]?.slice(0, 100)}`;
}

function baseUrl(option: string, text: string): string {
  if (!URL.canParse(text)) throw new Error(`${option}: expected an address such as https://www.tiktok.com`);
  const { protocol, hostname, origin, pathname } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') throw new Error(`${option}: expected http:// or https://`);
  const isTikTok = hostname === 'tiktok.com' || hostname.endsWith('.tiktok.com');
  if (isTikTok && protocol === 'http:') throw new Error(`${option}: ${hostname} must be reached by https://, or cookies travel in clear`);
  return `${origin}${pathname.replace(/(?<!\/)\/+$/, '')}`;
}
