import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, UseGuards } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { Problem } from '@tributary/runtime';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { Needs } from '../access/needs.js';
import { positionOf } from '../events/envelopes.js';
import { goneCursor, judgeCursor } from '../events/positions.js';
import { Fails } from '../openapi/fails.js';
import { decodePageCursor, encodePageCursor, ListLimit, PageQuery } from '../paging.js';
import { EventStore } from '../store/event-store.js';
import type { Head } from '../store/generations.js';
import { IsInstant, toDate } from '../validators.js';
import { AGAIN_MAX, DELIVERY_STATES, DeliveryStore, type DeliveryRow, type DeliveryState } from './delivery-store.js';
import {
  AttemptList,
  attemptView,
  DeliveryDetail,
  DeliveryPage,
  DeliveryView,
  deliveryView,
  ReplayPage,
  ReplayView,
  replayView,
  RetriedView,
} from './delivery-view.js';
import { ReplayBody, RetryBody } from './endpoint-body.js';
import { EndpointOwner } from './endpoint-owner.guard.js';
import { ChangeNotifier } from '../delivery/upkeep/change-notifier.js';
import { WebhooksEnabledGuard } from './webhooks-enabled.guard.js';
import { ReplayStore } from './replay-store.js';
import { ENDPOINT } from './webhooks.controller.js';

const RETRIES_MAX = 5_000;
const REPLAY_PER_SECOND = 50;
const DELIVERY = {
  name: 'delivery',
  description: 'id of the delivery: its `webhook-id`',
  schema: { type: 'string', example: 'dlv_01kapmz9x80000q3v7rw' },
};
const REPLAY = { name: 'replay', description: 'id of the replay', schema: { type: 'string' } };

class DeliveryQuery extends PageQuery {
  @ApiPropertyOptional({ enum: DELIVERY_STATES, description: 'only those in this state' })
  @IsOptional()
  @IsIn(DELIVERY_STATES)
  state?: DeliveryState;

  @ApiPropertyOptional({ description: 'those of one replay' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  replay?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'made at or after' })
  @IsOptional()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'made before' })
  @IsOptional()
  @IsInstant()
  until?: string;

  @ListLimit(200, 50)
  override limit = 50;
}

/** What was sent to an endpoint, and what is sent again: events, so that `read` is needed too. */
@ApiTags('webhooks')
@Needs('webhooks:write', 'read')
@UseGuards(WebhooksEnabledGuard, EndpointOwner)
@ApiParam(ENDPOINT)
@Fails('turned-off', 'not-found')
@Controller('v1/webhooks/:id')
export class DeliveriesController {
  constructor(
    @Inject(DeliveryStore) private readonly store: DeliveryStore,
    @Inject(ReplayStore) private readonly replays: ReplayStore,
    @Inject(EventStore) private readonly events: EventStore,
    @Inject(ChangeNotifier) private readonly notifier: ChangeNotifier,
  ) {}

  @Get('deliveries')
  @Needs('webhooks:read', 'read')
  @ApiOperation({ summary: 'Deliveries of an endpoint', description: 'Newest first, those that have ended as long as they are kept.' })
  @ApiOkResponse({ type: DeliveryPage })
  async list(@Param('id') id: string, @Query() query: DeliveryQuery): Promise<DeliveryPage> {
    const head = await this.events.head();
    const before = decodePageCursor(query.cursor, 1)?.[0];
    const filter = { ...query, replayId: query.replay, since: toDate(query.since), until: toDate(query.until) };
    const rows = await this.store.list(id, filter, before, query.limit + 1);
    const data = rows.slice(0, query.limit).map((row) => deliveryView(row, head));
    return { data, next: rows.length > data.length ? encodePageCursor([data.at(-1)!.id]) : null };
  }

  @Post('deliveries/retry')
  @ApiBody({ type: RetryBody, required: false })
  @HttpCode(200)
  @ApiOperation({
    summary: 'Takes up deliveries again that were given up',
    description: `Oldest first, up to ${RETRIES_MAX} in one call, each with a whole schedule of attempts. They go beside what is delivered now: their order has passed.`,
  })
  @ApiOkResponse({ type: RetriedView })
  async retryMany(@Param('id') id: string, @Body() body: RetryBody): Promise<RetriedView> {
    const result = await this.store.retryDead(id, { ids: body.ids, since: toDate(body.since), until: toDate(body.until) }, RETRIES_MAX);
    if (result.retried > 0) this.notifier.notifyChanged(id);
    return result;
  }

  @Get('deliveries/:delivery')
  @Needs('webhooks:read', 'read')
  @ApiOperation({ summary: 'One delivery', description: 'With the ids, types and positions of its events that still exist.' })
  @ApiParam(DELIVERY)
  @ApiOkResponse({ type: DeliveryDetail })
  async get(@Param('id') id: string, @Param('delivery') delivery: string): Promise<DeliveryDetail> {
    const head = await this.events.head();
    const row = await this.delivery(id, delivery);
    const events = await this.store.events(id, delivery);
    const eventList = events.map((event) => ({ id: event.id, type: event.type, position: positionOf(event.seq, head.history) }));
    return { ...deliveryView(row, head), eventList };
  }

  @Get('deliveries/:delivery/attempts')
  @Needs('webhooks:read', 'read')
  @ApiOperation({ summary: 'The attempts of a delivery', description: 'What was sent, what came back, and how long it took.' })
  @ApiParam(DELIVERY)
  @ApiOkResponse({ type: AttemptList })
  async attempts(@Param('id') id: string, @Param('delivery') delivery: string): Promise<AttemptList> {
    const attempts = await this.store.attempts(id, delivery);
    if (!attempts) throw unknownDelivery(delivery);
    return { data: attempts.map(attemptView) };
  }

  @Post('deliveries/:delivery/retry')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Tries a delivery now',
    description: 'One that is under way, or was given up. What was delivered is sent again by a replay.',
  })
  @ApiParam(DELIVERY)
  @Fails('conflict', 'limit-reached')
  @ApiAcceptedResponse({ type: DeliveryView, description: 'It is tried as soon as possible.' })
  async retry(@Param('id') id: string, @Param('delivery') delivery: string): Promise<DeliveryView> {
    const head = await this.events.head();
    switch (await this.store.retry(id, delivery)) {
      case 'unknown':
        throw unknownDelivery(delivery);
      case 'finished':
        throw new Problem('conflict', 'the delivery is finished; a replay sends its events again');
      case 'full':
        throw new Problem('limit-reached', `${AGAIN_MAX} deliveries of this endpoint wait to be tried again already`);
      case 'retried':
        this.notifier.notifyChanged(id);
        return deliveryView(await this.delivery(id, delivery), head);
    }
  }

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
    const after = body.cursor === undefined ? await this.replays.positionAt(toDate(body.since)!) : this.positionOf(body.cursor, head);
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

  private async delivery(id: string, delivery: string): Promise<DeliveryRow> {
    const row = await this.store.find(id, delivery);
    if (!row) throw unknownDelivery(delivery);
    return row;
  }

  private positionOf(cursor: string, head: Head): number {
    const verdict = judgeCursor(cursor, head, 'cursor');
    if (verdict.kind === 'lost') throw goneCursor(verdict.reason, 'cursor');
    if (verdict.position.descending) throw Problem.badField('cursor', 'a position in ascending order; this one is from order=desc');
    return verdict.position.seq;
  }
}

function unknownDelivery(id: string): Problem {
  return Problem.notFound(`there is no delivery ${id.slice(0, 100)} of this endpoint`);
}

function unknownReplay(id: string): Problem {
  return Problem.notFound(`there is no replay ${id.slice(0, 100)} of this endpoint`);
}
