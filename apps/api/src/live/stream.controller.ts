import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { KeyRecord } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, Needs } from '../access/needs.js';
import { CursorQuery, EventFilters } from '../events/event-query.js';
import { spanOf } from '../filter/filter.js';
import { codecFor, HTTP_CODECS } from './codecs.js';
import { HttpConnection, streamHeaders } from './http-connection.js';
import { LiveStreams } from './live-streams.js';
import { StreamLimits } from './stream-limits.js';
import { StreamSlots } from './stream-slots.js';
import { SubscriptionStarts } from './subscription/subscription-start.js';

@ApiTags('live')
@Needs('read')
@Controller('v1/stream')
export class StreamController {
  constructor(
    private readonly slots: StreamSlots,
    private readonly streams: LiveStreams,
    private readonly starts: SubscriptionStarts,
    private readonly filters: EventFilters,
    private readonly limits: StreamLimits,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Live events (server-sent events, unless `Accept` asks for another media type that is served)',
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
    content: Object.fromEntries(
      [...HTTP_CODECS.values()].map(({ mediaType, description }) => [mediaType, { schema: { type: 'string', description } }]),
    ),
  })
  @ApiNoContentResponse({
    description: 'a reader that comes back (`Last-Event-ID`) after `until` and has everything: it need not come again',
  })
  async stream(
    @Query() query: CursorQuery,
    @Caller() caller: KeyRecord,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { headers, method } = request;
    const codec = codecFor(headers.accept);
    const filter = await this.filters.from(query, caller);
    const resumed = codec.resumesAt(headers);
    const given = resumed ?? (query.cursor === undefined ? undefined : { field: 'cursor', text: query.cursor });
    const start = await this.starts.find(given, spanOf(filter).since);
    // An answer without a body is over with its head.
    if (method === 'HEAD') return void reply.headers(streamHeaders(codec)).send();
    if (resumed && (await this.starts.hasEverything(filter, start))) return void reply.status(204).send();
    const release = await this.slots.admit(caller.id);
    const connection = HttpConnection.open(reply, codec, this.limits);
    this.streams.serve({ caller, codec, connection, filter, start, release });
  }
}
