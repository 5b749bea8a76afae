import { Body, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiOkResponse, ApiOperation, ApiParam, ApiPropertyOptional } from '@nestjs/swagger';
import { type KeyRecord, Problem } from '@tributary/runtime';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsBoolean, IsIn, IsOptional, IsString, Length, MaxLength } from 'class-validator';
import { Caller, Needs } from '../../access/needs.js';
import { allowedCreatorsOf, mayRead } from '../../access/allowed-creators.js';
import { CreatorRegistry } from '../../creators/creator-registry.js';
import { creatorIdsOf } from '../../creators/named-creators.js';
import { OutboundEventReader } from '../../delivery/request/outbound-events.js';
import { FilterParameter } from '../../filter/filter-parameters.js';
import { Fails } from '../../openapi/fails.js';
import { asFlag, decodePageCursor, encodePageCursor, ListLimit, PageQuery } from '../../http/paging.js';
import { EventStore } from '../../store/event-store.js';
import type { Head } from '../../store/writer/generations.js';
import { IfPresent, IsInstant, toDate } from '../../http/validators.js';
import { PAYLOAD_BYTES_MAX, type Payloads, payloadsOf } from './delivery-payload.js';
import { DeliverySearch, EVENTS_SHOWN_MAX, type FoundDelivery, type FoundPage } from './delivery-search.js';
import { AGAIN_MAX, DELIVERY_STATES, DeliveryStore, type DeliveryRow, type StoredDeliveryState } from './delivery-store.js';
import {
  AttemptList,
  attemptView,
  deliveredEventView,
  DeliveryDetail,
  DeliveryPage,
  DeliveryView,
  deliveryView,
  RetriedView,
} from './delivery-view.js';
import { EndpointStore } from '../endpoints/endpoint-store.js';
import { EndpointResource } from '../endpoints/endpoint-resource.js';
import { unknownEndpoint } from '../endpoints/endpoint-view.js';
import { ChangeNotifier } from '../../delivery/upkeep/change-notifier.js';

const RETRIES_MAX = 5_000;
const DELIVERY = {
  name: 'delivery',
  description: 'id of the delivery: its `webhook-id`',
  schema: { type: 'string', example: 'dlv_01kapmz9x80000q3v7rw' },
};
const PAYLOAD = {
  type: Boolean,
  default: false,
  description: 'give the body too, as it is sent and signed',
} as const;

class DeliveryQuery extends PageQuery {
  @ApiPropertyOptional({ enum: DELIVERY_STATES, description: 'only those in this state' })
  @IsOptional()
  @IsIn(DELIVERY_STATES)
  state?: StoredDeliveryState;

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

  @FilterParameter('types', 'those with an event of one of these types, or patterns with a trailing `*`')
  type?: string[];

  @FilterParameter('creatorIds', 'those with an event of one of these creators: internal ids or handles')
  creator?: string[];

  @ApiPropertyOptional({ description: 'those with this event: its id' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  event?: string;

  @ApiPropertyOptional(PAYLOAD)
  @IsOptional()
  @asFlag
  @IsBoolean()
  payload = false;

  @ListLimit(200, 50)
  override limit = 50;
}

class RetryBody {
  @ApiPropertyOptional({ type: [String], maxItems: 1_000, description: 'these deliveries; all that were given up when absent' })
  @IfPresent()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1_000)
  @IsString({ each: true })
  @Length(1, 64, { each: true })
  ids?: string[];

  @ApiPropertyOptional({ format: 'date-time', description: 'made at or after' })
  @IfPresent()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'made before' })
  @IfPresent()
  @IsInstant()
  until?: string;
}

class PayloadQuery {
  @ApiPropertyOptional(PAYLOAD)
  @IsOptional()
  @asFlag
  @IsBoolean()
  payload = false;
}

/** What was sent to an endpoint, and what is sent again. */
@EndpointResource()
export class DeliveriesController {
  constructor(
    private readonly endpoints: EndpointStore,
    private readonly store: DeliveryStore,
    private readonly search: DeliverySearch,
    private readonly bodies: OutboundEventReader,
    private readonly creators: CreatorRegistry,
    private readonly events: EventStore,
    private readonly notifier: ChangeNotifier,
  ) {}

  @Get('deliveries')
  @Needs('webhooks:read', 'read')
  @ApiOperation({
    summary: 'Deliveries of an endpoint',
    description:
      'Newest first, those that have ended as long as they are kept. With `type`, `creator` or `event` they are looked through for a bounded time: ' +
      'a page may then hold fewer than `limit`, even none, while `next` still leads on. With `payload` a page ends, too, when its payloads take ' +
      `${PAYLOAD_BYTES_MAX / 1_048_576} MiB.`,
  })
  @ApiOkResponse({ type: DeliveryPage })
  async list(@Param('id') id: string, @Query() query: DeliveryQuery, @Caller() caller: KeyRecord): Promise<DeliveryPage> {
    const head = await this.events.head();
    const before = decodePageCursor(query.cursor, 1)?.[0];
    const allowedCreators = allowedCreatorsOf(caller);
    const event = query.event === undefined ? undefined : await this.events.byId(query.event);
    if (query.event !== undefined && !(event && mayRead(caller, event.creatorId))) return { data: [], next: null };
    const { state, replay: replayId, type: types } = query;
    const creatorIds = query.creator && (await creatorIdsOf(this.creators, query.creator, { field: 'creator', allowedCreators }));
    const content = { types, creatorIds, event, allowedCreators };
    const filter = { state, replayId, since: toDate(query.since), until: toDate(query.until), ...content };
    const page = await this.search.page(id, filter, before, query.limit);
    if (!query.payload) return pageOf(page, (one) => deliveryView(one.row, head, one.events));
    const rows = page.found.map(({ row }) => row);
    const { byId, deliveries } = await this.payloads(id, rows, head, allowedCreators);
    const found = page.found.slice(0, deliveries);
    const next = deliveries < page.found.length ? found.at(-1)?.row.id : page.next;
    return pageOf({ found, next }, (one) => deliveryView(one.row, head, one.events, byId.get(one.row.id) ?? null));
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
  @ApiOperation({ summary: 'One delivery', description: 'With its events that still exist, and its payload where that is asked for.' })
  @ApiParam(DELIVERY)
  @ApiOkResponse({ type: DeliveryDetail })
  async get(
    @Param('id') id: string,
    @Param('delivery') delivery: string,
    @Query() { payload }: PayloadQuery,
    @Caller() caller: KeyRecord,
  ): Promise<DeliveryDetail> {
    const head = await this.events.head();
    const row = await this.delivery(id, delivery);
    const known = await this.search.events(row.seqs, allowedCreatorsOf(caller));
    const events = row.seqs.flatMap((seq) => known.get(seq) ?? []);
    const payloads = payload ? await this.payloads(id, [row], head, allowedCreatorsOf(caller)) : undefined;
    const view = deliveryView(row, head, events.slice(0, EVENTS_SHOWN_MAX), payloads && (payloads.byId.get(row.id) ?? null));
    return { ...view, eventList: events.map((event) => deliveredEventView(event, head)) };
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
  async retry(@Param('id') id: string, @Param('delivery') delivery: string, @Caller() caller: KeyRecord): Promise<DeliveryView> {
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
        return this.view(await this.delivery(id, delivery), head, allowedCreatorsOf(caller));
    }
  }

  private async view(row: DeliveryRow, head: Head, allowedCreators: string[] | undefined): Promise<DeliveryView> {
    const shown = row.seqs.slice(0, EVENTS_SHOWN_MAX);
    const known = await this.search.events(shown, allowedCreators);
    return deliveryView(
      row,
      head,
      shown.flatMap((seq) => known.get(seq) ?? []),
    );
  }

  private async payloads(id: string, rows: readonly DeliveryRow[], head: Head, allowedCreators: string[] | undefined): Promise<Payloads> {
    const endpoint = await this.endpoints.find(id);
    if (!endpoint) throw unknownEndpoint(id);
    return payloadsOf(this.bodies, endpoint, rows, head.generation, allowedCreators);
  }

  private async delivery(id: string, delivery: string): Promise<DeliveryRow> {
    const row = await this.store.find(id, delivery);
    if (!row) throw unknownDelivery(delivery);
    return row;
  }
}

function pageOf({ found, next }: FoundPage, view: (one: FoundDelivery) => DeliveryView): DeliveryPage {
  return { data: found.map(view), next: next === undefined ? null : encodePageCursor([next]) };
}

function unknownDelivery(id: string): Problem {
  return Problem.notFound(`there is no delivery ${id.slice(0, 100)} of this endpoint`);
}
