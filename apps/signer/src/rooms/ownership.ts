import { Injectable } from '@nestjs/common';
import type { Caller } from '../access/caller.js';
import { SignError } from '../http/answer.js';
import { RoomFinder } from './room-finder.js';

/** Lets callers whose key or token is limited to creators use the rooms of these only. */
@Injectable()
export class Ownership {
  constructor(private readonly rooms: RoomFinder) {}

  /** @throws SignError 403 unless the caller may ask for this creator. */
  creator(caller: Caller, uniqueId: string): void {
    if (caller.creators === null || caller.creators.includes(uniqueId)) return;
    throw new SignError(403, 'forbidden', `this ${caller.kind} is not for @${uniqueId}`);
  }

  /** @throws SignError 403 unless the room belongs to a creator that the caller may ask for. A name that came with it proves nothing. */
  async room(caller: Caller, roomId: string, signal: AbortSignal): Promise<void> {
    if (caller.creators === null) return;
    const owner = await this.rooms.ownerOf(roomId, signal);
    if (owner !== undefined && caller.creators.includes(owner)) return;
    // A gated room does not say whose it is, but its creators' pages lead to it.
    if (owner === undefined) {
      for (const uniqueId of caller.creators) {
        const { found } = await this.rooms.resolve(uniqueId, signal);
        if ((found.kind === 'live' || found.kind === 'offline') && found.roomId === roomId) return;
      }
    }
    throw new SignError(403, 'forbidden', `this ${caller.kind} is not for room ${roomId}`);
  }

  /** @throws SignError 403 for a caller that is held to some creators. */
  everything(caller: Caller, what: string): void {
    if (caller.creators !== null) throw new SignError(403, 'forbidden', `a ${caller.kind} for some creators only may not ${what}`);
  }
}
