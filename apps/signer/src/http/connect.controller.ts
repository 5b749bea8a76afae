import { Controller, Get, Inject, Req, Res, UseGuards } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { type Caller, callerOf } from '../access/caller.js';
import { type BundleAnswer, Bundles } from '../connect/bundles.js';
import type { Asked, ConnectRequest } from '../providers/provider.js';
import { Ownership } from '../rooms/ownership.js';
import { RoomFinder } from '../rooms/room-finder.js';
import { SignError } from './answer.js';
import { failureOf } from './failure.js';
import { clientSignal, cookiesOf, cursorOf, type Query, roomIdOf, textOf, uniqueIdOf, userAgentOf } from './params.js';
import { noteAttempts, notesOf } from './wide-log.js';

/** The route that clients ask most, as Nest and as Fastify know it. */
const CONNECT_PATH = 'webcast/rooms/:room_id/connect';
export const CONNECT_ROUTE = `/${CONNECT_PATH}`;

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
  @Get(CONNECT_PATH)
  connect(@Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    return this.answer((request.params as { room_id: string }).room_id, request, reply);
  }

  /** The path of clients before 2.5, in every language. */
  @Get('webcast/fetch')
  fetch(@Req() request: FastifyRequest, @Res() reply: FastifyReply) {
    return this.answer(textOf(request.query as Query, ['room_id', 'roomId'], 40), request, reply);
  }

  /**
   * Answers a connect whose bundle this process has at hand, without waiting for anything. False when it cannot: the request
   * then takes the ordinary way, which also says what is wrong with it.
   */
  fromMemory(request: FastifyRequest, reply: FastifyReply): boolean {
    const asked = readAsked((request.params as { room_id: string }).room_id, request);
    if (asked instanceof SignError || asked.roomId === undefined || callerOf(request).creators !== null) return false;
    const answer = this.bundles.atHand({ ...asked, roomId: asked.roomId }, asked.own);
    if (answer) this.finish(answer, request, reply);
    return answer !== undefined;
  }

  private async answer(room: string | undefined, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const asked = readAsked(room, request);
    if (asked instanceof SignError) throw asked;
    this.finish(await this.make(asked, callerOf(request), clientSignal(reply), request), request, reply);
  }

  private finish(answer: BundleAnswer, request: FastifyRequest, reply: FastifyReply): void {
    const notes = notesOf(request);
    noteAttempts(request, answer.attempts);
    notes.shared = answer.shared;
    notes.provider = answer.bundle?.provider;
    if (!answer.bundle) throw failureOf(answer.attempts);
    this.send(answer.bundle, reply);
  }

  private async make({ own, ...asked }: ConnectAsked, caller: Caller, signal: AbortSignal, request: FastifyRequest): Promise<BundleAnswer> {
    const startedAt = performance.now();
    const { uniqueId, roomId: known } = asked;
    // Beside a room id too: some ways of signing go by the name.
    if (uniqueId !== undefined) this.ownership.creator(caller, uniqueId);
    const roomId = known ?? (await this.rooms.liveRoom(uniqueId, AbortSignal.any([signal, AbortSignal.timeout(this.config.signBudgetMs)])));
    notesOf(request).room = roomId;
    if (known !== undefined) await this.ownership.room(caller, known, signal);
    const answer = await this.bundles.get({ ...asked, roomId, fresh: own }, own, signal, performance.now() - startedAt);
    // What was made is judged too: it may be for another room than the one that was asked for.
    if (answer.bundle && answer.bundle.roomId !== roomId) await this.ownership.room(caller, answer.bundle.roomId, signal);
    return answer;
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

/** What a connect asks for, with or without a room id. `own`: a bundle that nobody else gets, of a new visitor. */
interface ConnectAsked extends Omit<Asked<ConnectRequest>, 'roomId'> {
  roomId?: string;
  own: boolean;
}

/** Reads a connect and notes it; an error that names the parameter that is wrong. */
function readAsked(room: string | undefined, request: FastifyRequest): ConnectAsked | SignError {
  const query = request.query as Query;
  try {
    const uniqueId = uniqueIdOf(textOf(query, ['unique_id', 'uniqueId'], 300));
    const roomId = roomIdOf(room);
    const sessionId = textOf(query, ['session_id'], 256);
    const ttTargetIdc = textOf(query, ['tt_target_idc'], 64);
    const notes = notesOf(request);
    notes.client = textOf(query, ['client'], 100);
    notes.creator = uniqueId;
    notes.room = roomId;
    return {
      roomId,
      uniqueId,
      cursor: cursorOf(query),
      userAgent: userAgentOf(textOf(query, ['user_agent', 'userAgent'], 1_000)),
      cookies: cookiesOf(request, { sessionId, ttTargetIdc }),
      own: request.headers['cache-control'] === 'no-cache',
    };
  } catch (error) {
    if (error instanceof SignError) return error;
    throw error;
  }
}
