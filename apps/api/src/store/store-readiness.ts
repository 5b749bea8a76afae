import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { InboxReader } from '@tributary/log';
import { Readiness } from '@tributary/runtime';
import { StoreWriter } from './writer/writer.js';

/** Stored this much later than appended, the store role is not ready. */
const LAG_MS_MAX = 30_000;

/** The store role is ready while the database can be read and events are stored soon after they were appended. */
@Injectable()
export class StoreReadiness implements OnApplicationBootstrap {
  constructor(
    private readonly writer: StoreWriter,
    private readonly reader: InboxReader,
    private readonly readiness: Readiness,
  ) {}

  onApplicationBootstrap(): void {
    this.readiness.add('store', () => this.lag());
  }

  private async lag(): Promise<string | undefined> {
    const { head } = this.writer;
    if (!head) return 'the database cannot be read';
    const { oldestMs } = await this.reader.lag(head.positions);
    return oldestMs > LAG_MS_MAX ? `events are stored ${Math.round(oldestMs / 1000)} s late` : undefined;
  }
}
