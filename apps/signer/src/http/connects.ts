import { Injectable } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Caller, callerOf } from '../access/caller.js';
import { type BundleAnswer, Bundles } from '../connect/bundles.js';
import type { Asked, ConnectRequest } from '../providers/provider.js';
import { Ownership } from '../rooms/ownership.js';
import { RoomFinder } from '../rooms/room-finder.js';
import { failureOf } from './failure.js';
import { clientSignal, cookiesOf, cursorOf, type Query, roomIdOf, textOf, uniqueIdOf, userAgentOf } from './params.js';
import { noteAttempts, notesOf } from './wide-log.js';

/** Answers connects, whatever route they come by: with the bundle that a client library opens its socket with. */
@Injectable()
export class Connects {
  constructor(
    private readonly bundles: Bundles,
    private readonly rooms: RoomFinder,
    private readonly ownership: Ownership,
    private readonly config: Config,
  ) {}

  /**
   * Answers a connect of an admitted caller; at once where this process has the bundle at hand.
   * @param room the room that the path or a parameter names
   * @throws SignError that says what is wrong, or why there is no bundle; the promise rejects with the same
   */
  answer(room: string | undefined, request: FastifyRequest, reply: FastifyReply): void | Promise<void> {
    const asked = readAsked(room, request);
    const caller = callerOf(request);
    const known = this.fromMemory(asked, caller);
    if (known) return this.finish(known, request, reply);
    return this.make(asked, caller, clientSignal(reply), request).then((answer) => this.finish(answer, request, reply));
  }

  /** The rooms of a limited caller have to be looked up. */
  private fromMemory({ own, roomId, ...asked }: ConnectAsked, { creators }: Caller): BundleAnswer | undefined {
    return roomId === undefined || creators !== null ? undefined : this.bundles.atHand({ ...asked, roomId }, own);
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

/** Reads a connect and notes it. @throws SignError 400 that names the parameter that is wrong */
function readAsked(room: string | undefined, request: FastifyRequest): ConnectAsked {
  const query = request.query as Query;
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
}
