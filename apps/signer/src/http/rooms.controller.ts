import { Body, Controller, Get, HttpCode, Param, Post, Query as FromQuery, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { callerOf } from '../access/caller.js';
import { type GiftList, GiftLists } from '../rooms/gift-list.js';
import { Ownership } from '../rooms/ownership.js';
import { RoomFinder, roomProblem, type UserLiveness } from '../rooms/room-finder.js';
import { SignError } from './answer.js';
import { clientSignal, type Query, roomIdOf, textOf, uniqueIdOf } from './params.js';
import { notesOf } from './wide-log.js';

/** `GET ../room_id`. `room_id` may be that of an earlier room when `is_live` is false. */
interface RoomIdAnswer {
  code: 200;
  message: string;
  ok: true;
  is_live: boolean;
  room_id?: string;
  /** The source: `live page`, `room API`, `sign server`; with `(cached)` when an earlier request had asked. */
  source?: string;
  routes_attempted: string[];
}

/** `GET ../room_info`. */
interface RoomInfoAnswer {
  code: 200;
  message: string;
  ok: true;
  routes_attempted: string[];
  data: {
    unique_id: string;
    user: { unique_id: string; numeric_uid?: string; nickname?: string };
    room_info: {
      id?: string;
      is_live: boolean;
      status?: number;
      title?: string;
      start_time?: number;
      current_viewers?: number;
      total_viewers?: number;
    };
    raw: { _note: string };
  };
}

const USER_IDS_MAX = 50;

/** The room of a handle, and the details of a room. */
@Controller()
@UseGuards(AccessGuard)
export class RoomsController {
  constructor(
    private readonly rooms: RoomFinder,
    private readonly giftLists: GiftLists,
    private readonly ownership: Ownership,
  ) {}

  @Get('webcast/anchors/:unique_id/room_id')
  roomId(@Param('unique_id') name: string, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.findRoomId(name, request, reply);
  }

  /** The path of clients 2.0 and 2.1. */
  @Get('webcast/room_id')
  roomIdByQuery(@FromQuery() query: Query, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.findRoomId(textOf(query, ['uniqueId', 'unique_id'], 300), request, reply);
  }

  @Get('webcast/anchors/:unique_id/room_info')
  roomInfo(@Param('unique_id') name: string, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.findRoomInfo(name, request, reply);
  }

  @Get('webcast/room_info')
  roomInfoByQuery(@FromQuery() query: Query, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.findRoomInfo(textOf(query, ['uniqueId', 'unique_id'], 300), request, reply);
  }

  @Get('webcast/anchors/:unique_id/user_id')
  async userId(@Param('unique_id') name: string, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { found } = await this.find(name, request, clientSignal(reply));
    return { code: 200, message: 'the creator was found', ...(found.userId === undefined ? {} : { numeric_user_id: found.userId }) };
  }

  @Get('webcast/rooms/:room_id/gifts')
  async gifts(
    @Param('room_id') room: string,
    @FromQuery() query: Query,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { roomId, list } = await this.findGifts(room, query, request, reply);
    const gifts = list.gifts ?? [];
    const overrides = gifts.flatMap(({ id, is_displayed_on_panel, is_gallery_gift }) =>
      id !== undefined && (is_displayed_on_panel !== undefined || is_gallery_gift !== undefined)
        ? [[String(id), { is_displayed_on_panel, is_gallery_gift }] as const]
        : [],
    );
    return {
      code: 200,
      message: `${gifts.length} gifts can be sent in this room`,
      response: {
        room_id: roomId,
        page_gifts: gifts.flatMap(({ id }) => (id === undefined ? [] : [id])),
        gift_overrides: Object.fromEntries(overrides),
        data: list,
      },
    };
  }

  /** The path of clients 2.0 and 2.1, and their shape. */
  @Get('webcast/gift_info')
  async giftInfo(@FromQuery() query: Query, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const { list } = await this.findGifts(textOf(query, ['room_id', 'roomId'], 40), query, request, reply);
    return { code: 200, message: 'the gift list of this room', response: { data: list } };
  }

  @Post('webcast/bulk_live_check')
  @HttpCode(200)
  async bulkLiveCheck(
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ code: 200; message: string; response: { data: Record<string, UserLiveness> } }> {
    this.ownership.everything(callerOf(request), 'check many creators at once');
    const data = await this.rooms.liveness(userIdsOf(body), clientSignal(reply));
    const met = Object.values(data).filter((user) => user !== null).length;
    return { code: 200, message: `${met} of these users were met by this signer before; null is not known here`, response: { data } };
  }

  private async findRoomId(name: string | undefined, request: FastifyRequest, reply: FastifyReply): Promise<RoomIdAnswer> {
    const { uniqueId, found, cached } = await this.find(name, request, clientSignal(reply));
    const live = found.kind === 'live';
    return {
      code: 200,
      message: `@${uniqueId} is ${live ? 'live' : 'not live'}`,
      ok: true,
      is_live: live,
      ...(found.roomId === undefined ? {} : { room_id: found.roomId }),
      ...(found.source === undefined ? {} : { source: cached ? `${found.source} (cached)` : found.source }),
      routes_attempted: attempted(found.errors),
    };
  }

  private async findRoomInfo(name: string | undefined, request: FastifyRequest, reply: FastifyReply): Promise<RoomInfoAnswer> {
    const signal = clientSignal(reply);
    const { uniqueId, found } = await this.find(name, request, signal);
    const info = found.kind === 'live' ? await this.rooms.info(found.roomId, signal) : undefined;
    const known = info?.kind === 'info' ? info : undefined;
    return {
      code: 200,
      message: `what @${uniqueId} shows to everybody`,
      ok: true,
      routes_attempted: attempted(found.errors),
      data: {
        unique_id: uniqueId,
        user: { unique_id: uniqueId, numeric_uid: known?.userId ?? found.userId, nickname: known?.nickname },
        room_info: {
          id: found.roomId,
          is_live: found.kind === 'live' && info?.kind !== 'finished',
          status: known?.status,
          title: known?.title ?? (found.kind === 'live' ? found.title : undefined),
          start_time: known?.startedAt,
          current_viewers: known?.viewers,
          total_viewers: known?.viewersTotal,
        },
        raw: { _note: 'this signer keeps no raw answers of TikTok' },
      },
    };
  }

  private async findGifts(
    room: string | undefined,
    query: Query,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<{ roomId: string; list: GiftList }> {
    const roomId = roomIdOf(room);
    if (roomId === undefined) throw SignError.badParameter('room_id', '5 to 20 digits');
    notesOf(request).room = roomId;
    const signal = clientSignal(reply);
    await this.ownership.room(callerOf(request), roomId, signal);
    const language = textOf(query, ['webcast_language'], 20);
    return { roomId, list: await this.giftLists.of(roomId, language, signal) };
  }

  private async find(name: string | undefined, request: FastifyRequest, signal: AbortSignal) {
    const uniqueId = uniqueIdOf(name);
    if (uniqueId === undefined) throw SignError.badParameter('unique_id', 'the handle of a creator');
    notesOf(request).creator = uniqueId;
    this.ownership.creator(callerOf(request), uniqueId);
    const { found, cached } = await this.rooms.resolve(uniqueId, signal);
    if (found.kind === 'live' || found.kind === 'offline') return { uniqueId, found, cached };
    throw roomProblem(uniqueId, found);
  }
}

/** Names of the methods that did not decide, from their messages. */
function attempted(errors: string[] = []): string[] {
  return errors.map((text) => text.split(':', 1)[0] ?? text);
}

function userIdsOf(body: unknown): string[] {
  const ids = (body as { user_numeric_ids?: unknown } | null)?.user_numeric_ids;
  if (!Array.isArray(ids) || ids.length === 0) throw SignError.badParameter('user_numeric_ids', 'a list of user ids, as text');
  if (ids.length > USER_IDS_MAX) throw SignError.badParameter('user_numeric_ids', `at most ${USER_IDS_MAX} ids`);
  return ids.map((id: unknown, index) => {
    if (typeof id === 'string' && /^[1-9]\d{0,19}$/.test(id)) return id;
    throw SignError.badParameter(`user_numeric_ids[${index}]`, 'digits, as text: a number would lose its last ones');
  });
}
