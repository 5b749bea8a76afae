import { Injectable } from '@nestjs/common';
import { Config } from '@tributary/runtime';
import { CHECK_ALIVE_ROOMS_MAX, type ResolveResult, type RoomInfoResult, RoomResolver } from '@tributary/webcast';
import { Cache, type CacheOrigin } from '../cache/cache.js';
import type { CacheKind } from '../cache/kinds.js';
import { SignError } from '../http/answer.js';
import { type FoundRoom, infoKind, type KnownInfo, ownerKind, roomKind, userKind } from './kinds.js';

type NotFound = Exclude<ResolveResult, FoundRoom>;
type NoInfo = Exclude<RoomInfoResult, KnownInfo>;

/** What is known of a creator, and the source. `undefined`: TikTok answered for this request. */
export interface Resolved {
  found: ResolveResult;
  cached?: CacheOrigin;
}

/** Liveness of a user id, null for one that was never met here. */
export type UserLiveness = { room_id: string; is_live: boolean } | null;

/** Pages of creators asked for at once: TikTok blocks addresses that ask for many. */
const RESOLVES_AT_ONCE = 4;
const nobody = () => Promise.resolve({ ok: false as const, failure: undefined });

/** Finds the room of a creator, or the reason why there is none to connect to. */
@Injectable()
export class RoomFinder {
  private readonly room: CacheKind<FoundRoom>;
  /** Time for one look-up over all its methods. */
  private readonly budgetMs: number;

  constructor(
    private readonly resolver: RoomResolver,
    private readonly cache: Cache,
    { signRoomCacheMs, signBudgetMs }: Config,
  ) {
    this.room = roomKind(signRoomCacheMs);
    this.budgetMs = signBudgetMs;
  }

  /** What is known of a creator. */
  async resolve(uniqueId: string, signal: AbortSignal): Promise<Resolved> {
    const answer = await this.cache.get<FoundRoom, NotFound>(
      this.room,
      uniqueId,
      async (loading) => {
        const found = await this.resolver.resolve(uniqueId, AbortSignal.any([loading, AbortSignal.timeout(this.budgetMs)]));
        if (found.kind === 'blocked' || found.kind === 'failed') return { ok: false, failure: found };
        await this.learn(uniqueId, found);
        return { ok: true, value: found };
      },
      signal,
    );
    if (!answer.ok) return { found: answer.failure };
    return answer.from === 'loaded' ? { found: answer.value } : { found: answer.value, cached: answer.from };
  }

  /** Title, owner and viewers of a room. */
  async info(roomId: string, signal: AbortSignal): Promise<RoomInfoResult> {
    const answer = await this.cache.get<KnownInfo, NoInfo>(
      infoKind,
      roomId,
      async (loading) => {
        const info = await this.resolver.roomInfo(roomId, loading);
        if (info.kind === 'blocked' || info.kind === 'failed') return { ok: false, failure: info };
        if (info.kind === 'info' && info.uniqueId !== undefined) await this.cache.keep(ownerKind, roomId, info.uniqueId);
        return { ok: true, value: info };
      },
      signal,
    );
    return answer.ok ? answer.value : answer.failure;
  }

  /** The handle of the creator whose room it is, where that is known or the room says it. */
  async ownerOf(roomId: string, signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.cache.get<string, undefined>(
      ownerKind,
      roomId,
      async (loading) => {
        const info = await this.info(roomId, loading);
        return info.kind === 'info' && info.uniqueId !== undefined ? { ok: true, value: info.uniqueId } : { ok: false, failure: undefined };
      },
      signal,
    );
    return answer.ok ? answer.value : undefined;
  }

  /** The room a creator is live in. @throws SignError when there is none, or when that cannot be told. */
  async liveRoom(uniqueId: string | undefined, signal: AbortSignal): Promise<string> {
    if (uniqueId === undefined) throw SignError.badParameter('room_id', 'a room id, or unique_id with the handle of a creator');
    const { found } = await this.resolve(uniqueId, signal);
    if (found.kind === 'live') return found.roomId;
    throw roomProblem(uniqueId, found);
  }

  /**
   * Liveness of users by their numeric ids. TikTok has no request for that, so only users that this signer has seen before are
   * answered: their rooms in one request and, where a room is over, the present room of the handle.
   * @throws SignError when TikTok does not answer.
   */
  async liveness(userIds: readonly string[], signal: AbortSignal): Promise<Record<string, UserLiveness>> {
    const answer: Record<string, UserLiveness> = {};
    const met = new Map<string, { uniqueId: string; roomId?: string }>();
    for (const id of userIds) {
      answer[id] = null;
      const user = await this.cache.get<{ uniqueId: string; roomId?: string }, undefined>(userKind, id, nobody, signal);
      if (user.ok) met.set(id, user.value);
    }
    const rooms = [...met.values()].flatMap(({ roomId }) => (roomId === undefined ? [] : [roomId]));
    const checked = await this.resolver.checkAlive(rooms.slice(0, CHECK_ALIVE_ROOMS_MAX), signal);
    const unsure: [string, string][] = [];
    for (const [id, { uniqueId, roomId }] of met) {
      if (roomId !== undefined && checked.kind === 'ok' && checked.alive.get(roomId)) answer[id] = { room_id: roomId, is_live: true };
      else unsure.push([id, uniqueId]);
    }
    for (let at = 0; at < unsure.length; at += RESOLVES_AT_ONCE) {
      await Promise.all(
        unsure.slice(at, at + RESOLVES_AT_ONCE).map(async ([id, uniqueId]) => {
          const { found } = await this.resolve(uniqueId, signal);
          if (found.kind === 'blocked' || found.kind === 'failed') throw roomProblem(uniqueId, found);
          if (found.kind !== 'not-found') answer[id] = { room_id: found.roomId ?? '', is_live: found.kind === 'live' };
        }),
      );
    }
    return answer;
  }

  private async learn(uniqueId: string, found: FoundRoom): Promise<void> {
    if (found.kind === 'not-found') return;
    const { roomId, userId } = found;
    if (roomId !== undefined) await this.cache.keep(ownerKind, roomId, uniqueId);
    if (userId !== undefined) await this.cache.keep(userKind, userId, { uniqueId, ...(roomId === undefined ? {} : { roomId }) });
  }
}

/** The answer for a creator who has no room to connect to. */
export function roomProblem(uniqueId: string, found: Exclude<ResolveResult, { kind: 'live' }>): SignError {
  switch (found.kind) {
    case 'offline':
      return new SignError(404, 'offline', `@${uniqueId} is not live at the moment`);
    case 'not-found':
      return new SignError(404, 'not-found', `there is no creator called @${uniqueId}`);
    case 'blocked':
      return new SignError(
        503,
        'blocked',
        `TikTok refuses to say whether @${uniqueId} is live (${found.errors.join('; ')})`,
        found.retryAfterMs,
      );
    case 'failed':
      return new SignError(503, 'unavailable', `whether @${uniqueId} is live could not be found out (${found.errors.join('; ')})`);
  }
}
