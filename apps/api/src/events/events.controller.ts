import { Readable } from 'node:stream';
import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { Metrics, type KeyRecord, Problem, SharedSlots } from '@tributary/runtime';
import type { Envelope } from '@tributary/events';
import { IsBoolean, IsIn, IsOptional } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Gauge } from 'prom-client';
import { KeyRing } from '../access/key-ring.js';
import { Caller, Needs } from '../access/needs.js';
import { mayRead } from '../access/allowed-creators.js';
import { currentRequest } from '../access/request-context.js';
import { Fails } from '../openapi/fails.js';
import { EventStore } from '../store/event-store.js';
import { isCostly } from '../store/event-select.js';
import { SearchStores } from '../store/search-stores.js';
import { csvHead, csvLine } from './csv.js';
import { envelopeOf } from './envelopes.js';
import { asFlag } from '../http/paging.js';
import { CursorQuery, EventFilters, EventPageQuery, EventQuery } from './event-query.js';
import { boundsOf, nextCursor } from './positions.js';

const EXPORTS_PER_KEY_MAX = 2;
const EXPORTS_MAX = 8;

/** Reference to the envelope in the OpenAPI document, which is made from the catalog. */
const ENVELOPE = { $ref: '#/components/schemas/Event' };

class EventPageView {
  @ApiProperty({ type: 'array', items: ENVELOPE, description: 'in the order of their positions' })
  data!: Envelope[];
  @ApiProperty({ description: 'position to go on from; with `more: false` the head of the log as this query saw it' })
  next!: string;
  @ApiProperty({ description: 'whether to go on from `next`: there are, or may be, more matching events' })
  more!: boolean;
}

class ExportQuery extends CursorQuery {
  @ApiPropertyOptional({ enum: ['ndjson', 'csv'], default: 'ndjson', description: 'one JSON object a line, or comma separated values' })
  @IsOptional()
  @IsIn(['ndjson', 'csv'])
  format: 'ndjson' | 'csv' = 'ndjson';

  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    description:
      'CSV for Excel and the like: UTF-8 with a byte order mark; ids and handles begin with an apostrophe, so that they stay text; a cell is cut at 32,767 characters',
  })
  @IsOptional()
  @asFlag
  @IsBoolean()
  spreadsheet = false;
}

@ApiTags('events')
@Needs('read')
@Controller('v1/events')
export class EventsController {
  private readonly running: Gauge;
  private runningNow = 0;

  constructor(
    private readonly store: EventStore,
    private readonly searches: SearchStores,
    private readonly slots: SharedSlots,
    private readonly filters: EventFilters,
    private readonly keys: KeyRing,
    metrics: Metrics,
  ) {
    this.running = new Gauge({ name: 'tributary_exports_running', help: 'Exports being streamed', registers: [metrics] });
  }

  @Get()
  @ApiOperation({
    summary: 'Stored events, ordered by position',
    description:
      'Read history here, then go on live from its `next` with GET /v1/stream: nothing is lost and nothing comes twice. A page that ' +
      'would take too long ends early: it may hold fewer events than `limit`, even none, with `more: true`. Go on from its `next`.',
  })
  @Fails('position-expired', 'position-restored')
  @ApiOkResponse({ type: EventPageView })
  async list(@Query() query: EventPageQuery, @Caller() caller: KeyRecord): Promise<EventPageView> {
    const filter = await this.filters.from(query, caller);
    const head = await this.store.head();
    const { order, limit, raw } = query;
    const store = isCostly(filter) ? this.searches.of(caller.id, 'page', currentRequest()?.signal) : this.store;
    const page = await store.query(filter, { ...boundsOf(query.cursor, order, head), order, limit, raw });
    return {
      data: page.events.map((event) => envelopeOf(event, head.history)),
      next: nextCursor(page, order, head.generation),
      more: page.more,
    };
  }

  @Get('export')
  @ApiOperation({
    summary: 'All matching events as a file, streamed',
    description:
      'Up to the head of the log when it starts. A failure breaks the connection, so that half a file is never taken for a whole one.',
  })
  @Fails('position-expired', 'position-restored')
  @ApiOkResponse({
    description: 'The file. Each line of `application/x-ndjson` is one event of this schema.',
    content: {
      'application/x-ndjson': { schema: ENVELOPE },
      'text/csv': { schema: { type: 'string', description: 'a head line, then one line for each event' } },
    },
  })
  async export(
    @Query() query: ExportQuery,
    @Caller() caller: KeyRecord,
    @Req() { method }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const csv = query.format === 'csv';
    if (query.spreadsheet && !csv) throw Problem.badField('spreadsheet', 'format=csv beside it');
    const filter = await this.filters.from(query, caller);
    const head = await this.store.head();
    const { after } = boundsOf(query.cursor, 'asc', head);
    void reply
      .header('content-type', csv ? 'text/csv; charset=utf-8' : 'application/x-ndjson')
      .header('content-disposition', `attachment; filename="tributary-events.${query.format}"`);
    // Nobody takes a body: nothing is read for it.
    if (method === 'HEAD') return void reply.send();
    const finish = await this.admit(caller.id);
    const gone = new AbortController();
    const pages = this.searches.of(caller.id, 'export', gone.signal).stream(filter, { after, order: 'asc' });
    const lines = async function* () {
      if (csv) yield csvHead(query);
      for await (const events of pages) {
        const envelopes = events.map((event) => envelopeOf(event, head.history));
        yield envelopes.map((envelope) => (csv ? csvLine(envelope, query) : `${JSON.stringify(envelope)}\n`)).join('');
      }
    };
    const stream = Readable.from(lines());
    const unwatch = this.keys.whileHeld(caller, () => stream.destroy(new Error('the key was revoked, or has expired')));
    stream.once('close', () => {
      unwatch();
      gone.abort();
      finish();
    });
    await reply.send(stream);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One event', description: 'By its id, which stays the same over reconnects, workers and replays.' })
  @ApiParam({ name: 'id', description: 'id of the event', schema: { type: 'string', example: '7540589352666090247-7540589999123456789' } })
  @Fails('not-found')
  @ApiOkResponse({ schema: ENVELOPE })
  async get(@Param('id') id: string, @Query() { raw }: EventQuery, @Caller() caller: KeyRecord): Promise<Envelope> {
    const [event, head] = await Promise.all([this.store.byId(id, { raw }), this.store.head()]);
    if (!event || !mayRead(caller, event.creatorId)) throw Problem.notFound(`there is no event ${id.slice(0, 200)}`);
    return envelopeOf(event, head.history);
  }

  /** Takes a place among the running exports, one of those that the key has over all processes. @returns what gives it back */
  private async admit(key: string): Promise<() => void> {
    const full = new Problem(
      'rate-limited',
      `at most ${EXPORTS_PER_KEY_MAX} exports of one key, ${EXPORTS_MAX} in one process, run at a time`,
      {
        headers: { 'retry-after': '10' },
      },
    );
    if (this.runningNow >= EXPORTS_MAX) throw full;
    // Counted before Redis is asked: others may ask meanwhile.
    this.running.set(++this.runningNow);
    const release = await this.slots.take(`exports-${key}`, EXPORTS_PER_KEY_MAX);
    if (!release) {
      this.running.set(--this.runningNow);
      throw full;
    }
    return () => {
      this.running.set(--this.runningNow);
      release();
    };
  }
}
