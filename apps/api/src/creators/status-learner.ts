import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Logger } from '@tributary/runtime';
import { type Loop, startLoop } from '../loop.js';
import { LOGGER } from '../resources.js';
import { CreatorRegistry } from './creator-registry.js';
import { CreatorViews } from './creator-views.js';

const LEARN_MS = 2_000;
const PAGE = 1_000;

/** Writes back what workers find out about creators: the TikTok user id, which is their identity from then on. */
@Injectable()
export class StatusLearner implements OnApplicationBootstrap, OnModuleDestroy {
  private loop: Loop | undefined;
  private readonly reported = new Set<string>();

  constructor(
    private readonly registry: CreatorRegistry,
    private readonly views: CreatorViews,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.loop = startLoop({ name: 'what workers learnt', everyMs: LEARN_MS, logger: this.logger }, (signal) => this.learn(signal));
  }

  async onModuleDestroy(): Promise<void> {
    await this.loop?.stop();
  }

  private async learn(signal: AbortSignal): Promise<void> {
    for (let after = ''; !signal.aborted;) {
      const rows = await this.registry.page(after, PAGE);
      const statuses = await this.views.board.readMany(rows.map(({ id }) => id));
      for (const [i, { id, userId }] of rows.entries()) {
        const seen = statuses[i]?.userId;
        if (seen === undefined || seen === userId) continue;
        if (userId === null) await this.registry.learnUserId(id, seen);
        else this.report(id, userId, seen);
      }
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      after = last.id;
    }
  }

  /** The handle belongs to another account now. The creator keeps its identity; a person has to decide. Said once. */
  private report(creator: string, userId: string, seen: string): void {
    if (this.reported.has(creator) || this.reported.size > 10_000) return;
    this.reported.add(creator);
    this.logger.warn(
      { creator, userId, seen },
      'the handle of this creator leads to another account now; its events are kept under the old identity',
    );
  }
}
