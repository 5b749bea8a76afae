import type { OutgoingHttpHeaders } from 'node:http';
import { Controller, Get, Headers, Inject, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type KeyRecord, Problem } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, Needs } from '../access/needs.js';
import { CursorQuery, EventFilters } from '../events/event-query.js';
import { judgeCursor } from '../events/positions.js';
import { EventStore } from '../store/event-store.js';
import type { EventFilter } from '../store/filter.js';
import { LiveStreams } from './live-streams.js';
import { StreamLimits } from './sse-writer.js';
import type { StreamStart } from './stream.js';

@ApiTags('live')
@Needs('read')
@Controller('v1/stream')
export class StreamController {
  constructor(
    @Inject(LiveStreams) private readonly streams: LiveStreams,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(EventFilters) private readonly filters: EventFilters,
    @Inject(StreamLimits) private readonly limits: StreamLimits,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Live events (server-sent events)',
    description:
      'First `hello` {position, from, recovered, head}; then each matching event as `id: <cursor>`, `event: <type>`, `data: <event>`; `position` where the ' +
      'filter let nothing through for a while; `closed` {reason, code, message, position} when the server ends the stream. It starts after the cursor; without ' +
      'one at `since`; without both at the head of the log. With `until` it ends once everything before that was sent. ' +
      '`recovered: false` means that the cursor could not be honoured and that events between it and `position` were not sent: read them with GET /v1/events. ' +
      'All frames are named, so that `onmessage` of an EventSource gets none: see docs/live-stream.md.',
  })
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'position to go on from; wins over `cursor`',
    schema: { type: 'string' },
  })
  @ApiOkResponse({
    description: 'The stream; it stays open.',
    content: {
      'text/event-stream': {
        schema: { type: 'string', description: 'frames of server-sent events; the `data` of a frame named like an event type is an Event' },
      },
    },
  })
  @ApiNoContentResponse({
    description: 'a reader that comes back (`Last-Event-ID`) after `until` and has everything: it need not come again',
  })
  async stream(
    @Query() query: CursorQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Caller() caller: KeyRecord,
    @Req() { method }: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const filter = await this.filters.from(query, caller);
    const start = await this.startOf(lastEventId || undefined, query.cursor, filter.since);
    const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };
    // An answer without a body is over with its head.
    if (method === 'HEAD') return void reply.headers(headers).send();
    if (lastEventId && (await this.hasEverything(filter, start))) return void reply.status(204).send();
    this.streams.admit(caller.id);
    reply.hijack();
    reply.raw.writeHead(200, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...headers });
    reply.raw.socket?.setNoDelay(true);
    this.streams.serve(reply.raw, caller, filter, start);
  }

  private async startOf(lastEventId: string | undefined, cursor: string | undefined, since: Date | undefined): Promise<StreamStart> {
    const head = await this.store.head();
    const { generation, seq } = head;
    const field = lastEventId === undefined ? 'cursor' : 'Last-Event-ID';
    const text = lastEventId ?? cursor;
    const verdict = text === undefined ? undefined : judgeCursor(text, head, field);
    if (verdict?.kind === 'good') {
      if (verdict.position.descending)
        throw Problem.badField(field, 'a position in ascending order; this one is from a list with order=desc');
      return { generation, after: verdict.position.seq, head: seq, from: 'cursor', recovered: true };
    }
    const lost = verdict ? { recovered: false, reason: verdict.reason } : { recovered: true };
    if (!since) return { generation, after: seq, head: seq, from: 'head', ...lost };
    // A position before the oldest event would be refused when the reader comes back with it.
    const after = Math.min(seq, Math.max(await this.store.positionAt(since), head.oldestSeq - 1));
    return { generation, after, head: seq, from: 'since', ...lost };
  }

  /** Whether nothing follows for a reader whose `until` is past. An EventSource connects again for ever unless it is told so. */
  private async hasEverything(filter: EventFilter, { after, recovered }: StreamStart): Promise<boolean> {
    if (!recovered || !filter.until || filter.until.getTime() + this.limits.lateMs > Date.now()) return false;
    const page = await this.store.query(filter, { after, order: 'asc', limit: 1 });
    return page.events.length === 0 && !page.more;
  }
}
