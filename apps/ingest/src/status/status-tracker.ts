import { type CreatorProblem, type CreatorState, type CreatorStatus, emptyCounters } from '@tributary/creators';
import type { NormaliserCounters, RoomState } from '@tributary/webcast';
import type { Clock } from '../pacing/clock.js';
import type { Ticket } from '../pacing/rate-limited-queue.js';

/** Changed counters alone are published this often; a change of state at once. */
const COUNTERS_EVERY_MS = 5_000;

/** What a normaliser has counted. */
interface Counting {
  readonly counters: Readonly<NormaliserCounters>;
  readonly state: Readonly<RoomState>;
}

/** The public status of one creator, kept by its holder. */
export class StatusTracker {
  readonly status: CreatorStatus;
  private counting: Counting | undefined;
  /** Of that normaliser, and added to the status already. */
  private counted = { duplicates: 0, unknown: 0, decodeErrors: 0 };
  private ticket: Ticket | undefined;
  private isChanged = true;
  private publishedAt = 0;
  private publishedText = '';

  constructor(
    readonly worker: string,
    private readonly clock: Clock,
  ) {
    this.status = { state: 'unknown', since: clock.now(), worker, counters: emptyCounters() };
  }

  get state(): CreatorState {
    return this.status.state;
  }

  /** Changes the state. `problem` is why the creator is not received; it is shown until the creator is live or offline. */
  setState(state: CreatorState, problem?: Omit<CreatorProblem, 'at'>): void {
    if (state !== this.status.state) this.status.since = this.clock.now();
    this.status.state = state;
    if (problem) this.status.lastError = { ...problem, at: this.clock.now() };
    else if (state === 'live' || state === 'offline') {
      delete this.status.lastError;
      this.noteKnown(state === 'live');
    }
    if (state === 'offline') {
      delete this.status.title;
      delete this.status.viewers;
    }
    this.isChanged = true;
  }

  /** At this moment it is known to be live, or not to be. */
  noteKnown(live: boolean): void {
    this.status.checked = { live, at: this.clock.now() };
  }

  /** Shows what is known of the room. Its id stays when the creator goes offline, so that the last room can be found. */
  setRoom(room: { roomId: string; userId?: string; title?: string }): void {
    // The title of another stream says nothing of this one.
    if (room.roomId !== this.status.roomId) delete this.status.title;
    this.status.roomId = room.roomId;
    if (room.userId !== undefined) this.status.userId = room.userId;
    if (room.title !== undefined) this.status.title = room.title;
    this.isChanged = true;
  }

  setUser(userId: string | undefined): void {
    if (userId === undefined || userId === this.status.userId) return;
    this.status.userId = userId;
    this.isChanged = true;
  }

  /** Adds what a normaliser has counted since the last call. A new normaliser counts from 0. */
  addCounts(normaliser: Counting): void {
    if (normaliser !== this.counting) this.counted = { duplicates: 0, unknown: 0, decodeErrors: 0 };
    this.counting = normaliser;
    for (const name of ['duplicates', 'unknown', 'decodeErrors'] as const) {
      this.status.counters[name] += normaliser.counters[name] - this.counted[name];
      this.counted[name] = normaliser.counters[name];
    }
    if (normaliser.state.viewers !== undefined) this.status.viewers = normaliser.state.viewers;
  }

  /** Shows the place in the sign queue while the ticket waits. */
  setTicket(ticket: Ticket | undefined): void {
    this.ticket = ticket;
  }

  /** The status if it has to be published: after a change of state or queue place, or when the counters are due. */
  takeChanged(now: number): CreatorStatus | undefined {
    const place = this.ticket?.place() ?? 0;
    if (place > 0) this.status.queue = { place, waitMs: this.ticket?.waitMs() ?? 0 };
    else if (this.status.queue) {
      delete this.status.queue;
      this.isChanged = true;
    }
    if (!this.isChanged && now - this.publishedAt < COUNTERS_EVERY_MS) return undefined;
    this.isChanged = false;
    this.publishedAt = now;
    const text = JSON.stringify(this.status);
    if (text === this.publishedText) return undefined;
    this.publishedText = text;
    return this.status;
  }

  /** Redis may have lost what was published: publishes it again. */
  publishAgain(): void {
    this.isChanged = true;
    this.publishedText = '';
  }
}
