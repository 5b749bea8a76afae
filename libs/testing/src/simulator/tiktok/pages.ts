import { GIFTS } from '../traffic/content.js';
import { sdkTags } from './page-sdk.js';
import type { Room } from '../room/room.js';

/** TikTok's own code for an answer in a JSON body. */
export const CODES = {
  noSuchUser: 19_881_007,
  badParameter: 19_881_005,
  finished: 30_003,
  loginNeeded: 20_003,
  ageGated: 4_003_182,
} as const;

const LIVE = 2;
const ENDED = 4;

function user(room: Room): Record<string, unknown> {
  return {
    id: room.userId,
    uniqueId: room.uniqueId,
    nickname: room.nickname,
    secUid: `MS4wLjABAAAA${Buffer.from(room.userId).toString('base64url')}`,
    signature: '',
    verified: false,
    avatarThumb: '',
    roomId: room.roomId,
    status: room.live ? LIVE : ENDED,
  };
}

function liveRoom(room: Room): Record<string, unknown> {
  return {
    title: room.title,
    coverUrl: '',
    startTime: Math.floor(room.startedAt / 1000),
    status: room.live ? LIVE : ENDED,
    liveRoomStats: { userCount: room.sentTotals.viewers, enterCount: room.sentTotals.viewersTotal },
  };
}

/** The front page. */
export function homePage(pageId: string): string {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>TikTok</title></head><body>${sdkTags(pageId, false)}</body></html>`;
}

/** The live page. SIGI_STATE is on one line, and has no room for an unknown user. */
export function livePage(uniqueId: string, room: Room | undefined, pageId: string): string {
  const state = {
    AppContext: { appContext: { language: 'en', region: 'XX' } },
    LiveRoom: {
      loadingState: { getRecommendLive: 0, getUserInfo: 0, getLiveRoom: 0 },
      needLogin: false,
      ...(room
        ? { liveRoomUserInfo: { user: user(room), stats: { followingCount: 12, followerCount: 3_400 }, liveRoom: liveRoom(room) } }
        : {}),
      liveRoomStatus: room?.live ? LIVE : ENDED,
    },
  };
  // `<` as an escape keeps a title with markup from ending the script.
  const json = JSON.stringify(state).replaceAll('<', String.raw`\u003c`);
  const title = escapeHtml(`${room?.nickname ?? uniqueId} (@${uniqueId}) is LIVE - TikTok`);
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><div id="app"></div><script id="SIGI_STATE" type="application/json">${json}</script>${sdkTags(pageId, true)}</body></html>`;
}

/** `GET /api-live/user/room/` */
export function userRoom(uniqueId: string | null, room: Room | undefined): Record<string, unknown> {
  if (!uniqueId) return { data: {}, message: 'params_error', statusCode: CODES.badParameter };
  if (!room) return { data: {}, message: 'user_not_found', statusCode: CODES.noSuchUser };
  return { data: { user: user(room), stats: {}, liveRoom: liveRoom(room) }, message: '', statusCode: 0 };
}

/** `GET /webcast/room/info/`: the room id is known, but may be of a broadcast that is over. */
export function roomInfo(roomId: string, room: Room | undefined, now: number): Record<string, unknown> {
  const refused = (code: number, message: string) => ({ data: { message, prompts: message }, extra: { now }, status_code: code });
  if (!room || !room.live || room.roomId !== roomId) return refused(CODES.finished, 'room has finished');
  if (room.loginNeeded) return refused(CODES.loginNeeded, 'User doesn’t login');
  if (room.gated) return refused(CODES.ageGated, 'This LIVE is age-restricted');
  return {
    data: {
      id_str: room.roomId,
      status: LIVE,
      title: room.title,
      create_time: Math.floor(room.startedAt / 1000),
      user_count: room.sentTotals.viewers,
      like_count: room.sentTotals.likeTotalMax,
      owner: { id_str: room.userId, display_id: room.uniqueId, nickname: room.nickname },
      owner_user_id_str: room.userId,
      stats: { total_user: room.sentTotals.viewersTotal, like_count: room.sentTotals.likeTotalMax },
      age_restricted: { restricted: false, source: 0 },
    },
    extra: { now },
    status_code: 0,
  };
}

/** `GET /webcast/room/check_alive/`, as text: its `room_id` is a number beyond what JSON.stringify can write. */
export function checkAlive(roomIds: string[], alive: (roomId: string) => boolean, now: number): string {
  const data = roomIds.map((roomId) => `{"alive":${alive(roomId)},"room_id":${roomId},"room_id_str":"${roomId}"}`);
  return `{"data":[${data.join(',')}],"extra":{"now":${now}},"status_code":0}`;
}

/** `GET /webcast/gift/list/` */
export function giftList(now: number): Record<string, unknown> {
  const gifts = GIFTS.map((gift) => ({
    id: gift.id,
    name: gift.name,
    describe: `sent ${gift.name}`,
    diamond_count: gift.diamonds,
    type: gift.type,
    combo: gift.type === 1,
    image: { uri: `webcast-sim/gift/${gift.id}`, url_list: [`https://p16-sign.avatars.example/gift/${gift.id}.webp`] },
  }));
  return { data: { gifts, pages: [] }, extra: { now }, status_code: 0 };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
