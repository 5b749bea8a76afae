import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Logger } from '@tributary/runtime';
import { type Loop, startLoop } from '../../loop.js';
import { LOGGER } from '../../resources.js';
import { SessionsAggregate } from './sessions-aggregate.js';
import { UnwatchedRooms } from './unwatched-rooms.js';

const AGGREGATE_EVERY_MS = 1_000;
const UNWATCHED_EVERY_MS = 5_000;

/** Background work on sessions: their counts, and the end of those whose rooms nobody watches. */
@Injectable()
export class SessionUpkeep implements OnApplicationBootstrap, OnApplicationShutdown {
  private loops: Loop[] = [];

  constructor(
    private readonly sessions: SessionsAggregate,
    private readonly unwatched: UnwatchedRooms,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const { logger } = this;
    this.loops = [
      startLoop({ name: 'session counts', everyMs: AGGREGATE_EVERY_MS, logger }, async (signal) => {
        await this.sessions.catchUp(signal);
      }),
      startLoop({ name: 'rooms that nobody watches', everyMs: UNWATCHED_EVERY_MS, logger }, async () => {
        await this.unwatched.round();
      }),
    ];
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop()));
  }
}
