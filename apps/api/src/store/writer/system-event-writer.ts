import type { FeedWriter, InboxEntry } from '@tributary/log';
import { type Logger, reasonOf } from '@tributary/runtime';
import type { Committer, LogHead } from './committer.js';

export interface SystemEventWriterOptions {
  committer: Pick<Committer, 'head' | 'commit'>;
  feed: Pick<FeedWriter, 'publish'>;
  logger: Logger;
}

/** An event that this process itself reports. `at` is ms since 1970, `creator` the subject. */
export interface SystemEvent {
  id: string;
  type: string;
  creator: string;
  handle: string;
  room: string;
  at: number;
  data: object;
}

const TRIES = 20;

/** Writes events into the log that no worker reports. Their ids are the caller's: an event written again under its id is stored once. */
export class SystemEventWriter {
  constructor(private readonly options: SystemEventWriterOptions) {}

  /**
   * Commits what `eventsAt` answers for a head of the log, and only on top of that head: nothing was stored in between. It is
   * asked again for each head that another writer has moved.
   * @returns how many events were committed
   * @throws Error when others moved the head each time
   */
  async commit(eventsAt: (head: LogHead) => Promise<readonly SystemEvent[]> | readonly SystemEvent[]): Promise<number> {
    const { committer } = this.options;
    for (let tries = 0; tries < TRIES; tries++) {
      const head = await committer.head();
      const events = await eventsAt(head);
      if (events.length === 0) return 0;
      const result = await committer.commit(head, { from: head.positions, to: head.positions, entries: events.map(entryOf) });
      if (result.kind === 'superseded') continue;
      await this.publish({ generation: result.generation, after: result.after, to: result.to }, result.eventsJson);
      return events.length;
    }
    throw new Error(`the log moved ${TRIES} times while an event of this process was to be written`);
  }

  private async publish(span: { generation: number; after: number; to: number }, eventsJson: string): Promise<void> {
    try {
      await this.options.feed.publish(span, eventsJson);
    } catch (error) {
      // Live readers notice by themselves that the head has moved.
      this.options.logger.debug({ reason: reasonOf(error) }, 'an event of this process could not be published');
    }
  }
}

function entryOf({ id, type, creator, handle, room, at, data }: SystemEvent): InboxEntry {
  const ms = String(Math.round(at));
  return { partition: 0, entryId: `own-${id}`, fields: { id, type, creator, handle, room, ts: ms, at: ms, data: JSON.stringify(data) } };
}
