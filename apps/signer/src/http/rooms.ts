import { Injectable } from '@nestjs/common';
import type { ResolveResult, RoomResolver } from '@tributary/webcast';
import { SignError } from './answer.js';

/** Turns what TikTok says about a creator into a room to connect to, or into the answer that there is none. */
@Injectable()
export class RoomFinder {
  constructor(private readonly resolver: RoomResolver) {}

  /** What is known of a creator. */
  resolve(uniqueId: string, signal: AbortSignal): Promise<ResolveResult> {
    return this.resolver.resolve(uniqueId, signal);
  }

  /** Title, owner and viewers of a room. */
  info(roomId: string, signal: AbortSignal): ReturnType<RoomResolver['roomInfo']> {
    return this.resolver.roomInfo(roomId, signal);
  }

  /** The room a creator is live in. @throws SignError when there is none, or when that cannot be told. */
  async liveRoom(uniqueId: string | undefined, signal: AbortSignal): Promise<string> {
    if (uniqueId === undefined) throw SignError.badParameter('room_id', 'a room id, or unique_id with the handle of a creator');
    const found = await this.resolve(uniqueId, signal);
    if (found.kind === 'live') return found.roomId;
    throw roomProblem(uniqueId, found);
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
