import { Controller, Get, Inject, Param, Query as FromQuery, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from './access.js';
import { SignError } from './answer.js';
import { clientSignal, type Query, textOf, uniqueIdOf } from './params.js';
import { RoomFinder, roomProblem } from './rooms.js';
import { notesOf } from './wide-log.js';

/** `GET ../room_id`. `room_id` may be that of an earlier room when `is_live` is false. */
interface RoomIdAnswer {
  code: 200;
  ok: true;
  is_live: boolean;
  room_id?: string;
  routes_attempted: string[];
}

/** `GET ../room_info`. */
interface RoomInfoAnswer {
  code: 200;
  ok: true;
  routes_attempted: string[];
  data: {
    unique_id: string;
    user: { unique_id: string; numeric_uid?: string };
    room_info: { id?: string; is_live: boolean; status?: number; title?: string; current_viewers?: number };
  };
}

/** What a creator's handle leads to. */
@Controller()
@UseGuards(AccessGuard)
export class RoomsController {
  constructor(@Inject(RoomFinder) private readonly rooms: RoomFinder) {}

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

  private async findRoomId(name: string | undefined, request: FastifyRequest, reply: FastifyReply): Promise<RoomIdAnswer> {
    const { found } = await this.find(name, request, clientSignal(reply));
    return {
      code: 200,
      ok: true,
      is_live: found.kind === 'live',
      ...(found.roomId === undefined ? {} : { room_id: found.roomId }),
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
      ok: true,
      routes_attempted: attempted(found.errors),
      data: {
        unique_id: uniqueId,
        user: { unique_id: uniqueId, numeric_uid: known?.userId ?? found.userId },
        room_info: {
          id: found.roomId,
          is_live: found.kind === 'live' && info?.kind !== 'finished',
          status: known?.status,
          title: known?.title ?? (found.kind === 'live' ? found.title : undefined),
          current_viewers: known?.viewers,
        },
      },
    };
  }

  private async find(name: string | undefined, request: FastifyRequest, signal: AbortSignal) {
    const uniqueId = uniqueIdOf(name);
    if (uniqueId === undefined) throw SignError.badParameter('unique_id', 'the handle of a creator');
    notesOf(request).creator = uniqueId;
    const found = await this.rooms.resolve(uniqueId, signal);
    if (found.kind === 'live' || found.kind === 'offline') return { uniqueId, found };
    throw roomProblem(uniqueId, found);
  }
}

/** Names of the methods that did not decide, from what each said. */
function attempted(errors: string[] = []): string[] {
  return errors.map((text) => text.split(':', 1)[0] ?? text);
}
