import { Controller, Get, Inject, Param, Query as FromQuery, Req, Res, UseGuards } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProviderChain } from '../providers/chain.js';
import { AccessGuard } from './access.js';
import { SignError } from './answer.js';
import { failureOf } from './failure.js';
import { clientSignal, cookiesOf, cursorOf, type Query, roomIdOf, textOf, uniqueIdOf, userAgentOf } from './params.js';
import { RoomFinder } from './rooms.js';
import { noteAttempts, notesOf } from './wide-log.js';

/** Connect bundles: what a client library opens its socket with. */
@Controller()
@UseGuards(AccessGuard)
export class ConnectController {
  constructor(
    @Inject(ProviderChain) private readonly chain: ProviderChain,
    @Inject(RoomFinder) private readonly rooms: RoomFinder,
    @Inject(Config) private readonly config: Config,
  ) {}

  @Get('webcast/rooms/:room_id/connect')
  connect(
    @Param('room_id') roomId: string,
    @FromQuery() query: Query,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.answer(roomId, query, request, reply);
  }

  /** The path of clients before 2.5, in every language. */
  @Get('webcast/fetch')
  fetch(@FromQuery() query: Query, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.answer(textOf(query, ['room_id', 'roomId'], 40), query, request, reply);
  }

  private async answer(room: string | undefined, query: Query, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const uniqueId = uniqueIdOf(textOf(query, ['unique_id', 'uniqueId'], 300));
    const known = roomIdOf(room);
    const cursor = cursorOf(query);
    const userAgent = userAgentOf(textOf(query, ['user_agent', 'userAgent'], 1_000)) ?? this.config.signUserAgent;
    const cookies = cookiesOf(request, {
      sessionId: textOf(query, ['session_id'], 256),
      ttTargetIdc: textOf(query, ['tt_target_idc'], 64),
    });
    const notes = notesOf(request);
    Object.assign(notes, { client: textOf(query, ['client'], 100), creator: uniqueId });
    const signal = clientSignal(reply);

    const startedAt = performance.now();
    const roomId = known ?? (await this.rooms.liveRoom(uniqueId, AbortSignal.any([signal, AbortSignal.timeout(this.config.signBudgetMs)])));
    notes.room = roomId;
    const { value, attempts } = await this.chain.connect(
      { roomId, uniqueId, cursor, userAgent, cookies },
      signal,
      performance.now() - startedAt,
    );
    noteAttempts(request, attempts);
    if (!value) throw failureOf(attempts);
    if (!/^[\x20-\x7e]+$/.test(value.cookies)) throw new SignError(502, 'bad-answer', 'the cookies of the bundle are not a header value');
    await reply
      .headers({
        'content-type': 'application/protobuf',
        'x-set-tt-cookie': value.cookies,
        'x-room-id': value.roomId,
        'x-user-agent': value.userAgent,
        'x-provider': value.provider,
        'cache-control': 'no-store',
      })
      .send(Buffer.from(value.fetchResult.buffer, value.fetchResult.byteOffset, value.fetchResult.byteLength));
  }
}
