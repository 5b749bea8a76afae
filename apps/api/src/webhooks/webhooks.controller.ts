import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res, UseGuards } from '@nestjs/common';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { Config, type KeyRecord, Problem } from '@tributary/runtime';
import { IsIn, IsOptional } from 'class-validator';
import type { FastifyReply } from 'fastify';
import { Caller, Needs } from '../access/needs.js';
import { boundsOf } from '../events/positions.js';
import { Fails } from '../openapi/fails.js';
import { idempotencyKey } from './idempotency-key.js';
import { decodePageCursor, encodePageCursor, PageQuery } from '../http/paging.js';
import { EventStore } from '../store/event-store.js';
import { AttemptView, attemptView } from './deliveries/delivery-view.js';
import { type EndpointState, filterOf, isEntitled } from '../delivery/endpoint/endpoint.js';
import { EndpointPatchBody, NewEndpointBody, ResumeBody, RotateBody } from './endpoints/endpoint-body.js';
import { EndpointOwner, visibleTo } from './endpoints/endpoint-owner.guard.js';
import { EndpointStore, type EndpointStatus } from './endpoints/endpoint-store.js';
import { type Counted, WaitingEventsCounter } from './waiting-events.js';
import {
  backlogView,
  ChangedEndpointView,
  EndpointDetail,
  EndpointPage,
  EndpointView,
  endpointView,
  NewEndpointView,
  RotatedView,
  secretOf,
  unknownEndpoint,
} from './endpoints/endpoint-view.js';
import { ENDPOINT } from './endpoints/endpoint-resource.js';
import { WebhooksEnabledGuard } from './webhooks-enabled.guard.js';
import { publicKeyText } from '../delivery/request/signature.js';
import { WebhooksService } from './webhooks-service.js';
import { ChangeNotifier } from '../delivery/upkeep/change-notifier.js';

const DAY_SECONDS = 86_400;
const STATES = ['enabled', 'paused', 'disabled'];

class EndpointQuery extends PageQuery {
  @ApiPropertyOptional({ enum: STATES, description: 'only those in this state' })
  @IsOptional()
  @IsIn(STATES)
  state?: EndpointState;
}

class TestView {
  @ApiProperty({ description: 'id of the delivery, its `webhook-id`' })
  delivery!: string;
  @ApiProperty({ description: 'the one attempt' })
  attempt!: AttemptView;
}

@ApiTags('webhooks')
@Needs('webhooks:write')
@UseGuards(WebhooksEnabledGuard, EndpointOwner)
@Fails('turned-off')
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(
    private readonly service: WebhooksService,
    private readonly endpoints: EndpointStore,
    private readonly events: EventStore,
    private readonly waiting: WaitingEventsCounter,
    private readonly notifier: ChangeNotifier,
    private readonly config: Config,
  ) {}

  @Post()
  @Needs('webhooks:write', 'read')
  @ApiOperation({
    summary: 'Makes an endpoint',
    description:
      'Its secret is shown in this answer and never again. It belongs to the key, and gets what the key may read of what is stored from now on, or comes after `cursor`; made with the scope `admin` it belongs to the operator. Sent again with the same `Idempotency-Key` it is the same endpoint for a day.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: '1 to 255 visible characters; the same one makes no second endpoint',
    schema: { type: 'string' },
  })
  @Fails('limit-reached', 'conflict', 'idempotency-key-reused', 'unprocessable', 'position-expired', 'position-restored')
  @ApiCreatedResponse({ type: NewEndpointView })
  async create(
    @Body() body: NewEndpointBody,
    @Headers('idempotency-key') keyText: string | undefined,
    @Caller() caller: KeyRecord,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NewEndpointView> {
    const key = idempotencyKey(keyText);
    const head = await this.events.head();
    const position = body.cursor === undefined ? undefined : boundsOf(body.cursor, 'asc', head).after;
    const created = await this.service.create(caller, body, position, key);
    switch (created.kind) {
      case 'full':
        throw new Problem('limit-reached', `this key has ${this.config.webhookEndpointsPerKeyMax} endpoints already; remove some`);
      case 'other-request':
        throw new Problem('idempotency-key-reused', 'Idempotency-Key: it was used for another request', {
          errors: [{ field: 'Idempotency-Key', expected: 'a new key for a new request' }],
        });
      case 'deleted':
        throw new Problem('conflict', 'the endpoint that was made with this Idempotency-Key has been removed');
      case 'repeated':
        void reply.header('idempotent-replayed', 'true');
        break;
      case 'created':
    }
    return { ...(await this.view(created.endpoint.id)), secret: secretOf(created.endpoint) };
  }

  @Get()
  @Needs('webhooks:read')
  @ApiOperation({
    summary: 'Lists endpoints',
    description:
      'Those of the key, with the scope `admin` all of them. Oldest first, without their secrets and the values of their headers.',
  })
  @ApiOkResponse({ type: EndpointPage })
  async list(@Query() query: EndpointQuery, @Caller() caller: KeyRecord): Promise<EndpointPage> {
    const after = decodePageCursor(query.cursor, 1)?.[0] ?? '';
    const filter = { state: query.state, keyId: visibleTo(caller) };
    const [rows, head] = await Promise.all([this.endpoints.list(filter, after, query.limit + 1), this.events.head()]);
    const page = rows.slice(0, query.limit);
    const waiting = await this.waiting.ofList(page.map(countedOf), head.seq);
    const data = page.map((endpoint, i) => endpointView(endpoint, head, waiting[i]!));
    return { data, next: rows.length > data.length ? encodePageCursor([data.at(-1)!.id]) : null };
  }

  @Get(':id')
  @Needs('webhooks:read')
  @ApiOperation({ summary: 'One endpoint', description: 'With what it has not got yet, as far as that can be counted in time.' })
  @ApiParam(ENDPOINT)
  @Fails('not-found')
  @ApiOkResponse({ type: EndpointDetail })
  async get(@Param('id') id: string): Promise<EndpointDetail> {
    const [endpoint, head] = await Promise.all([this.endpoints.find(id), this.events.head()]);
    if (!endpoint) throw unknownEndpoint(id);
    const [waiting, oldestOpen] = await Promise.all([this.waiting.ofOne(countedOf(endpoint)), this.endpoints.oldestOpen(id)]);
    return { ...endpointView(endpoint, head, waiting), backlog: backlogView(waiting, oldestOpen, this.config.retentionDays) };
  }

  @Patch(':id')
  @Needs('webhooks:write', 'read')
  @ApiOperation({
    summary: 'Changes an endpoint',
    description: 'What is absent stays; null takes a setting back to its default. A changed filter applies to what is not yet under way.',
  })
  @ApiParam(ENDPOINT)
  @Fails('not-found', 'unprocessable')
  @ApiOkResponse({ type: ChangedEndpointView })
  async update(@Param('id') id: string, @Body() body: EndpointPatchBody, @Caller() caller: KeyRecord): Promise<ChangedEndpointView> {
    if (Object.values(body).every((value) => value === undefined)) throw Problem.badField('url', 'a change: at least one setting');
    const updated = await this.service.update(id, body, caller);
    if (!updated) throw unknownEndpoint(id);
    return { ...(await this.view(id)), ...(updated.renewed ? { secret: secretOf(updated.endpoint) } : {}) };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Removes an endpoint', description: 'Its deliveries go with it; what is on the wire may still arrive.' })
  @ApiParam(ENDPOINT)
  @Fails('not-found')
  @ApiNoContentResponse({ description: 'It gets nothing more.' })
  async remove(@Param('id') id: string): Promise<void> {
    if (!(await this.endpoints.remove(id))) throw unknownEndpoint(id);
    this.notifier.notifyChanged(id);
  }

  @Post(':id/rotate-secret')
  @ApiBody({ type: RotateBody, required: false })
  @HttpCode(200)
  @ApiOperation({ summary: 'Makes a new secret', description: 'Both sign until the grace has ended, so that receivers can change over.' })
  @ApiParam(ENDPOINT)
  @Fails('not-found')
  @ApiOkResponse({ type: RotatedView })
  async rotate(@Param('id') id: string, @Body() body: RotateBody): Promise<RotatedView> {
    const rotated = await this.service.rotate(id, body.graceSeconds ?? DAY_SECONDS, body.secret);
    if (!rotated) throw unknownEndpoint(id);
    return { secret: secretOf(rotated.endpoint), publicKey: publicKeyText(rotated.endpoint.secrets[0]!), oldUntil: rotated.oldUntil };
  }

  @Post(':id/test')
  @HttpCode(200)
  @ApiOperation({ summary: 'Sends a test event (`tributary.test`) now', description: 'In any state; one attempt, which is in the answer.' })
  @ApiParam(ENDPOINT)
  @Fails('not-found')
  @ApiOkResponse({ type: TestView })
  async test(@Param('id') id: string): Promise<TestView> {
    const tested = await this.service.test(id);
    if (!tested) throw unknownEndpoint(id);
    return { delivery: tested.delivery, attempt: attemptView(tested.attempt) };
  }

  @Post(':id/pause')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Pauses an endpoint',
    description: 'Its backlog is kept, as long as events are; `backlog.lostAt` says until when.',
  })
  @ApiParam(ENDPOINT)
  @Fails('not-found', 'conflict')
  @ApiOkResponse({ type: EndpointView })
  async pause(@Param('id') id: string): Promise<EndpointView> {
    const paused = await this.endpoints.pause(id);
    if (paused === 'unknown') throw unknownEndpoint(id);
    if (paused === 'disabled') throw new Problem('conflict', 'the endpoint is disabled; resume it first');
    this.notifier.notifyChanged(id);
    return this.view(id);
  }

  @Post(':id/resume')
  @Needs('webhooks:write', 'read')
  @ApiBody({ type: ResumeBody, required: false })
  @HttpCode(200)
  @ApiOperation({ summary: 'Enables an endpoint that was paused or disabled', description: 'It goes on where it stopped, in order.' })
  @ApiParam(ENDPOINT)
  @Fails('not-found', 'conflict')
  @ApiOkResponse({ type: EndpointView })
  async resume(@Param('id') id: string, @Body() body: ResumeBody): Promise<EndpointView> {
    const endpoint = await this.endpoints.find(id);
    if (!endpoint) throw unknownEndpoint(id);
    if (!isEntitled(endpoint.owner, Date.now()))
      throw new Problem('conflict', 'the key that it belongs to was revoked, or has expired; give it another `owner` first');
    if (!(await this.endpoints.resume(id, body.backlog === 'skip'))) throw unknownEndpoint(id);
    this.notifier.notifyChanged(id);
    return this.view(id);
  }

  private async view(id: string): Promise<EndpointView> {
    const [endpoint, head] = await Promise.all([this.endpoints.find(id), this.events.head()]);
    if (!endpoint) throw unknownEndpoint(id);
    const [waiting] = await this.waiting.ofList([countedOf(endpoint)], head.seq);
    return endpointView(endpoint, head, waiting!);
  }
}

/** What is counted of an endpoint. */
function countedOf(endpoint: EndpointStatus): Counted {
  return { id: endpoint.id, filter: filterOf(endpoint), position: endpoint.position };
}
