import type { OutgoingHttpHeaders } from 'node:http';
import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type KeyRecord, Problem } from '@tributary/runtime';
import type { FastifyReply } from 'fastify';
import { Caller, Needs } from '../access/needs.js';
import { CursorQuery, EventFilters } from '../events/event-query.js';
import { judgeCursor } from '../events/positions.js';
import { EventStore } from '../store/event-store.js';
import { LiveStreams } from './live-streams.js';
import type { StreamStart } from './stream.js';

@ApiTags('live')
@Needs('read')
@Controller('v1/stream')
export class StreamController {
  constructor(
    @Inject(LiveStreams) private readonly streams: LiveStreams,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(EventFilters) private readonly filters: EventFilters,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Live events (server-sent events)',
    description:
      'First `hello` {position, recovered, head}; then each matching event as `id: <cursor>`, `event: <type>`, `data: <event>`; `position` where the ' +
      'filter let nothing through for a while; `closed` {reason} when the server ends the stream. Without a cursor it starts at the head of the log. ' +
      '`recovered: false` means that the cursor could not be honoured and that events between it and `position` were not sent: read them with GET /v1/events.',
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
  async stream(
    @Query() query: CursorQuery,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Caller() caller: KeyRecord,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const filter = await this.filters.from(query, caller);
    const start = await this.startOf(lastEventId || undefined, query.cursor);
    this.streams.admit(caller.id);
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as OutgoingHttpHeaders),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    reply.raw.socket?.setNoDelay(true);
    this.streams.serve(reply.raw, caller, filter, start);
  }

  private async startOf(lastEventId: string | undefined, cursor: string | undefined): Promise<StreamStart> {
    const head = await this.store.head();
    const { generation, seq } = head;
    const field = lastEventId === undefined ? 'cursor' : 'Last-Event-ID';
    const text = lastEventId ?? cursor;
    if (text === undefined) return { generation, after: seq, head: seq, recovered: true };
    const verdict = judgeCursor(text, head, field);
    if (verdict.kind === 'lost') return { generation, after: seq, head: seq, recovered: false, reason: verdict.reason };
    if (verdict.position.descending)
      throw Problem.badField(field, 'a position in ascending order; this one is from a list with order=desc');
    return { generation, after: verdict.position.seq, head: seq, recovered: true };
  }
}
