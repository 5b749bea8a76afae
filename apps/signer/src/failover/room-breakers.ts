import { Breaker, type BreakerOptions, type Permit } from './breaker.js';

/**
 * A breaker for each room that a provider fails for. A room that cannot be opened (gated, or watched by TikTok) is then skipped; it
 * neither takes the provider's time nor counts against it. Rooms that work take no memory.
 */
export class RoomBreakers {
  private readonly rooms = new Map<string, Breaker>();

  constructor(private readonly options: BreakerOptions & { roomsMax: number }) {}

  /** The breaker of a room. Give it back by {@link forgetIfHealthy} once a call with it has ended. */
  of(room: string): Breaker {
    let breaker = this.rooms.get(room);
    if (!breaker) {
      breaker = new Breaker(this.options);
      this.rooms.set(room, breaker);
      if (this.rooms.size > this.options.roomsMax) this.rooms.delete(this.rooms.keys().next().value ?? room);
    }
    return breaker;
  }

  /** Forgets a room without failures. */
  forgetIfHealthy(room: string): void {
    if (this.rooms.get(room)?.hasNoFailures) this.rooms.delete(room);
  }

  reset(): void {
    this.rooms.clear();
  }

  /** Rooms whose last call failed, and those of them whose breaker is open. */
  get state(): { failing: number; resting: number } {
    let resting = 0;
    for (const breaker of this.rooms.values()) if (breaker.state === 'open') resting += 1;
    return { failing: this.rooms.size, resting };
  }
}

/** Permission for one call by both breakers, or which of them refuses it. */
export type Admission =
  | { ok: true; provider: Permit; room: Permit | undefined; /** The room was known to fail before this call. */ roomSuspect: boolean }
  | { ok: false; by: Breaker; about: 'provider' | 'room' };

/** Asks the provider's breaker and, where there is one, the room's. */
export function admit(provider: Breaker, room: Breaker | undefined): Admission {
  const roomSuspect = room !== undefined && room.state !== 'closed';
  const roomPermit = room?.acquire();
  if (room && !roomPermit) return { ok: false, by: room, about: 'room' };
  const providerPermit = provider.acquire();
  if (providerPermit) return { ok: true, provider: providerPermit, room: roomPermit, roomSuspect };
  roomPermit?.abandoned();
  return { ok: false, by: provider, about: 'provider' };
}
