import { Controller, Inject, Injectable } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { ApiExcludeController } from '@nestjs/swagger';
import {
  type BatchOutcome,
  FeedWriter,
  INBOX,
  type InboxBatch,
  InboxReader,
  outcomeOf,
  type PositionSource,
  type Positions,
} from '@tributary/log';
import { type Logger, Metrics, reasonOf } from '@tributary/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import { LOGGER } from '../../resources.js';
import { Committer, type LogHead } from './committer.js';
import { Paced } from '../paced.js';

/** Between two trimmings that follow the flow: the inbox has a fifth of its bound for what is stored meanwhile. */
const TRIM_PAUSE_MS = 100;

/** The one position of the store's reader: it lives in PostgreSQL, this is its copy between two commits. */
@Injectable()
export class StoreWriter implements PositionSource {
  private at: LogHead | undefined;
  /** The newest commit of this process: a database that has less of this generation has lost it. */
  private newest: { generation: number; seq: number } | undefined;
  /** Whether commits may be unpublished, of this process or of a predecessor; the next load or upkeep confirms them. */
  private hasUnpublished = true;
  private readonly trimming = new Paced(TRIM_PAUSE_MS, () => this.trim());
  private readonly stored: Counter;
  private readonly duplicates: Counter;
  private readonly dead: Counter;
  private readonly lost: Counter;
  private readonly seq: Gauge;
  private readonly seconds: Histogram;

  constructor(
    private readonly committer: Committer,
    private readonly reader: InboxReader,
    private readonly feed: FeedWriter,
    metrics: Metrics,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const registers = [metrics];
    this.stored = new Counter({ name: 'tributary_store_events_total', help: 'Events stored', registers });
    this.duplicates = new Counter({ name: 'tributary_store_duplicates_total', help: 'Entries whose id was stored already', registers });
    this.dead = new Counter({ name: 'tributary_store_dead_letters_total', help: 'Entries that could not be stored', registers });
    this.lost = new Counter({ name: 'tributary_store_lost_races_total', help: 'Batches that another writer committed first', registers });
    this.seq = new Gauge({ name: 'tributary_store_seq', help: 'Number of the newest position', registers });
    this.seconds = new Histogram({
      name: 'tributary_store_commit_seconds',
      help: 'Time of one commit',
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
  }

  /** The head as last seen; undefined before the first load and while the database is away. */
  get head(): LogHead | undefined {
    return this.at;
  }

  async load(): Promise<Positions> {
    this.at = undefined;
    // Before the head: what Redis has is committed, so that a commit of another writer in between proves nothing.
    const seen = [await this.feed.newest(), this.newest];
    const head = await this.judged(await this.committer.head(), seen);
    this.at = head;
    // A Redis that refuses it must not keep the store from committing; upkeep tries again.
    if (this.hasUnpublished) await this.reconfirm(head.positions).catch(() => undefined);
    return head.positions;
  }

  /** Commits a batch; false when another writer was first. */
  async commit(batch: InboxBatch): Promise<boolean> {
    if (!this.at) return false;
    const end = this.seconds.startTimer();
    const result = await this.committer.commit(this.at, batch);
    end();
    if (result.kind === 'superseded') {
      this.lost.inc();
      this.at = undefined;
      return false;
    }
    this.at = { ...this.at, seq: result.to, positions: batch.to };
    this.newest = { generation: result.generation, seq: result.to };
    this.stored.inc(result.stored);
    this.duplicates.inc(result.duplicates);
    this.dead.inc(result.dead);
    this.seq.set(result.to);
    if (result.dead > 0)
      this.logger.error({ entries: result.dead, position: result.to }, 'entries could not be stored; see the table dead_letters');
    await this.publish(batch, result);
    this.trimming.request();
    return true;
  }

  /** Trims behind the store, and confirms to Redis what an earlier failure, or another writer's end, left unconfirmed. Trimming first: it frees memory. */
  async upkeep(): Promise<void> {
    await this.trim();
    if (this.at) await this.reconfirm(this.at.positions);
  }

  private async trim(): Promise<void> {
    if (!this.at) return;
    await this.reader.trim(this.at.positions);
    await this.feed.trim();
  }

  private async reconfirm(positions: Positions): Promise<void> {
    await this.reader.reconfirm(positions);
    this.hasUnpublished = false;
  }

  /** What is committed is committed: a Redis that fails now gets it later, and readers ask PostgreSQL meanwhile. */
  private async publish(
    batch: InboxBatch,
    { generation, after, to, eventsJson }: { generation: number; after: number; to: number; eventsJson: string },
  ): Promise<void> {
    try {
      await Promise.all([this.feed.publish({ generation, after, to }, eventsJson), this.reader.confirm(batch)]);
    } catch (error) {
      if (!this.hasUnpublished) this.logger.warn({ reason: reasonOf(error) }, 'a commit could not be published yet');
      this.hasUnpublished = true;
    }
  }

  /** The head, in a new generation where somebody has seen more than the database has, or where its life is another. */
  private async judged(head: LogHead, seen: ({ generation: number; seq: number } | undefined)[]): Promise<LogHead> {
    const known = Math.max(...seen.map((one) => one?.generation ?? 0));
    const beyond = seen.find((one) => one && one.generation === head.generation && one.seq > head.seq);
    if (beyond || known > head.generation) {
      const raised = await this.committer.raiseGeneration(head, { known, reason: 'the database is older than the log was' });
      this.logger.warn(
        { stored: head.seq, seen: beyond?.seq, seenGeneration: known, generation: raised.generation },
        'the database is older than the log was: restored from a backup, or a replica took over; positions of what is lost are not honoured',
      );
      return raised;
    }
    if (head.continuous) return head;
    const raised = await this.committer.raiseGeneration(head, { known, reason: 'another life of the database server' });
    this.logger.info(
      { stored: head.seq, generation: raised.generation },
      'the database was started anew: a new generation of the log begins',
    );
    return raised;
  }
}

/** The store role's consumer. */
@ApiExcludeController()
@Controller()
export class StoreController {
  constructor(private readonly writer: StoreWriter) {}

  @EventPattern(INBOX)
  commit(@Payload() batch: InboxBatch): Promise<BatchOutcome> {
    return outcomeOf(async () => ({ kind: (await this.writer.commit(batch)) ? 'done' : 'superseded' }));
  }
}
