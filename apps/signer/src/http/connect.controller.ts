import { Controller, Get, Inject, Req, Res, UseGuards } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { type Caller, callerOf } from '../access/caller.js';
import { type BundleAnswer, Bundles } from '../connect/bundles.js';
import type { Asked, ConnectRequest } from '../providers/provider.js';
import { Ownership } from '../rooms/ownership.js';
import { RoomFinder } from '../rooms/room-finder.js';
import { failureOf } from './failure.js';
import { clientSignal, cookiesOf, cursorOf, type Query, roomIdOf, textOf, uniqueIdOf, userAgentOf } from './params.js';
import { noteAttempts, notesOf } from './wide-log.js';

/** Connect bundles: what a client library opens its socket with. */
@Controller()
@UseGuards(AccessGuard)
export class ConnectController {
  constructor(
    @Inject(Bundles) private readonly bundles: Bundles,
    @Inject(RoomFinder) private readonly rooms: RoomFinder,
    @Inject(Ownership) private readonly ownership: Ownership,
    @Inject(Config) private readonly config: Config,
  ) {}

  // The request as a whole: each @Param and @Query would go through the application's pipes, which costs as much as the rest.
  @Get('webcast/rooms/:room_id/connect')
  connect(@Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    return this.answer((request.params as { room_id: string }).room_id, request, reply);
  }

  /** The path of clients before 2.5, in every language. */
  @Get('webcast/fetch')
  fetch(@Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    return this.answer(textOf(request.query as Query, ['room_id', 'roomId'], 40), request, reply);
  }

  private answer(room: string | undefined, request: FastifyRequest, reply: FastifyReply): void | Promise<void> {
    const query = request.query as Query;
    const uniqueId = uniqueIdOf(textOf(query, ['unique_id', 'uniqueId'], 300));
    const known = roomIdOf(room);
    const asked = {
      uniqueId,
      cursor: cursorOf(query),
      userAgent: userAgentOf(textOf(query, ['user_agent', 'userAgent'], 1_000)),
      cookies: cookiesOf(request, {
        sessionId: textOf(query, ['session_id'], 256),
        ttTargetIdc: textOf(query, ['tt_target_idc'], 64),
      }),
    };
    const notes = notesOf(request);
    notes.client = textOf(query, ['client'], 100);
    notes.creator = uniqueId;
    notes.room = known;
    const caller = callerOf(request);
    const own = request.headers['cache-control'] === 'no-cache';

    // The common case waits for nothing: a room by its id whose bundle is at hand.
    const atHand = known !== undefined && caller.creators === null ? this.bundles.atHand({ ...asked, roomId: known }, own) : undefined;
    if (atHand) return this.finish(atHand, request, reply);
    return this.make(known, asked, caller, own, clientSignal(reply), request).then((answer) => this.finish(answer, request, reply));
  }

  private finish(answer: BundleAnswer, request: FastifyRequest, reply: FastifyReply): void {
    const notes = notesOf(request);
    noteAttempts(request, answer.attempts);
    notes.shared = answer.shared;
    notes.provider = answer.bundle?.provider;
    if (!answer.bundle) throw failureOf(answer.attempts);
    this.send(answer.bundle, reply);
  }

  private async make(
    known: string | undefined,
    asked: Omit<Asked<ConnectRequest>, 'roomId'>,
    caller: Caller,
    own: boolean,
    signal: AbortSignal,
    request: FastifyRequest,
  ): Promise<BundleAnswer> {
    const startedAt = performance.now();
    const { uniqueId } = asked;
    if (known === undefined && uniqueId !== undefined) this.ownership.creator(caller, uniqueId);
    const roomId = known ?? (await this.rooms.liveRoom(uniqueId, AbortSignal.any([signal, AbortSignal.timeout(this.config.signBudgetMs)])));
    notesOf(request).room = roomId;
    if (known !== undefined) await this.ownership.room(caller, known, signal);
    return this.bundles.get({ ...asked, roomId }, own, signal, performance.now() - startedAt);
  }

  private send({ fetchResult, cookies, roomId, userAgent, provider }: NonNullable<BundleAnswer['bundle']>, reply: FastifyReply): void {
    void reply
      .headers({
        'content-type': 'application/protobuf',
        'x-set-tt-cookie': cookies,
        'x-room-id': roomId,
        'x-user-agent': userAgent,
        'x-provider': provider,
        'cache-control': 'no-store',
      })
      .send(Buffer.isBuffer(fetchResult) ? fetchResult : Buffer.from(fetchResult.buffer, fetchResult.byteOffset, fetchResult.byteLength));
  }
}
