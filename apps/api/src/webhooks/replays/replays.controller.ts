import { Body, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiPropertyOptional } from '@nestjs/swagger';
import { Problem } from '@tributary/runtime';
import { IsNumber, IsString, Max, MaxLength, Min } from 'class-validator';
import { Needs } from '../../access/needs.js';
import { ChangeNotifier } from '../../delivery/upkeep/change-notifier.js';
import { positionAfter } from '../../events/positions.js';
import { decodePageCursor, encodePageCursor, PageQuery } from '../../http/paging.js';
import { IfPresent, IsInstant, toDate } from '../../http/validators.js';
import { Fails } from '../../openapi/fails.js';
import { EventStore } from '../../store/event-store.js';
import { RATE_MAX } from '../endpoints/endpoint-body.js';
import { EndpointResource } from '../endpoints/endpoint-resource.js';
import { ReplayStore } from './replay-store.js';
import { ReplayPage, ReplayView, replayView } from './replay-view.js';

const REPLAY_PER_SECOND = 50;
const REPLAY = { name: 'replay', description: 'id of the replay', schema: { type: 'string' } };

class ReplayBody {
  @ApiPropertyOptional({ description: 'replays what comes after this position; this or `since`' })
  @IfPresent()
  @IsString()
  @MaxLength(100)
  cursor?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'replays what was received at or after this time' })
  @IfPresent()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'ends before the first event received at or after this time; now when absent' })
  @IfPresent()
  @IsInstant()
  until?: string;

  @ApiPropertyOptional({ type: 'number', minimum: 0.1, maximum: RATE_MAX, default: 50, description: 'deliveries a second' })
  @IfPresent()
  @IsNumber()
  @Min(0.1)
  @Max(RATE_MAX)
  rateLimit?: number;
}

/** Replays of an endpoint: stored events that are sent again. */
@EndpointResource()
export class ReplaysController {
  constructor(
    private readonly replays: ReplayStore,
    private readonly events: EventStore,
    private readonly notifier: ChangeNotifier,
  ) {}

  @Post('replay')
  @ApiOperation({
    summary: 'Sends stored events again, beside live delivery',
    description:
      'Matching events from a time or position on, as new deliveries with the header `webhook-replay`, in log order, no faster than `rateLimit`. One at a time per endpoint.',
  })
  @Fails('conflict', 'position-expired', 'position-restored')
  @ApiCreatedResponse({ type: ReplayView })
  async replay(@Param('id') id: string, @Body() body: ReplayBody): Promise<ReplayView> {
    const head = await this.events.head();
    if ((body.cursor === undefined) === (body.since === undefined)) throw Problem.badField('since', 'either since or cursor');
    const after =
      body.cursor === undefined ? await this.replays.positionAt(toDate(body.since)!) : positionAfter(body.cursor, head, 'cursor');
    const to = body.until === undefined ? head.seq : Math.min(head.seq, await this.replays.positionAt(toDate(body.until)!));
    if (to <= after) throw Problem.badField(body.until === undefined ? 'since' : 'until', 'a span of time that holds events');
    const started = await this.replays.start(id, { after, to, ratePerSecond: body.rateLimit ?? REPLAY_PER_SECOND });
    if (started === undefined) throw new Problem('conflict', 'a replay of this endpoint is running; wait for its end or cancel it');
    this.notifier.notifyChanged(id);
    return replayView((await this.replays.find(id, started))!, head.generation);
  }

  @Get('replays')
  @Needs('webhooks:read')
  @ApiOperation({ summary: 'Replays of an endpoint', description: 'Newest first, those that have ended as long as deliveries are kept.' })
  @ApiOkResponse({ type: ReplayPage })
  async listReplays(@Param('id') id: string, @Query() query: PageQuery): Promise<ReplayPage> {
    const head = await this.events.head();
    const rows = await this.replays.list(id, decodePageCursor(query.cursor, 1)?.[0], query.limit + 1);
    const data = rows.slice(0, query.limit).map((replay) => replayView(replay, head.generation));
    return { data, next: rows.length > data.length ? encodePageCursor([data.at(-1)!.id]) : null };
  }

  @Get('replays/:replay')
  @Needs('webhooks:read')
  @ApiOperation({ summary: 'One replay', description: 'How far it is, and what became of its deliveries.' })
  @ApiParam(REPLAY)
  @ApiOkResponse({ type: ReplayView })
  async getReplay(@Param('id') id: string, @Param('replay') replay: string): Promise<ReplayView> {
    const head = await this.events.head();
    const found = await this.replays.find(id, replay);
    if (!found) throw unknownReplay(replay);
    return replayView(found, head.generation);
  }

  @Delete('replays/:replay')
  @Needs('webhooks:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Cancels a replay', description: 'What of it is on the wire may still arrive.' })
  @ApiParam(REPLAY)
  @Fails('conflict')
  @ApiNoContentResponse({ description: 'It sends nothing more.' })
  async cancelReplay(@Param('id') id: string, @Param('replay') replay: string): Promise<void> {
    switch (await this.replays.cancel(id, replay)) {
      case 'unknown':
        throw unknownReplay(replay);
      case 'ended':
        throw new Problem('conflict', 'the replay has ended already');
      case 'cancelled':
        this.notifier.notifyChanged(id);
    }
  }
}

function unknownReplay(id: string): Problem {
  return Problem.notFound(`there is no replay ${id.slice(0, 100)} of this endpoint`);
}
