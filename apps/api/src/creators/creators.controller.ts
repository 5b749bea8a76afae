import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { CREATOR_STATES, type CreatorState } from '@tributary/creators';
import { type KeyRecord, Problem } from '@tributary/runtime';
import { readUniqueId } from '@tributary/webcast';
import { plainToInstance, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsObject,
  IsOptional,
  IsString,
  MaxLength,
  ValidateNested,
  validateSync,
} from 'class-validator';
import type { FastifyReply } from 'fastify';
import { Caller, Needs } from '../access/needs.js';
import { allowedCreatorsOf, mayRead } from '../access/allowed-creators.js';
import { Fails } from '../openapi/fails.js';
import { asFlag, decodePageCursor, encodePageCursor, PageEnd, PageQuery } from '../http/paging.js';
import { CreatorOptionsBody, CreatorOptionsKeeper, type NewOptions, type OptionProblem } from './creator-options.js';
import { type BatchAction, CreatorRegistry, type StoredCreator } from './creator-registry.js';
import { CreatorView, CreatorViews } from './creator-views.js';
import { IfPresent } from '../http/validators.js';

const BATCH_MAX = 1_000;
/** Rows one page may look at while it searches for creators of one state. */
const SCAN_MAX = 20_000;
const OUT_OF_REACH = 'this key is limited to some creators, and this is none of them';
const CREATOR = {
  name: 'creator',
  description: 'internal id or handle, with or without @',
  schema: { type: 'string', example: 'some.creator' },
};

class NewCreatorBody {
  @ApiProperty({ description: 'handle, @handle, or any TikTok address that names one', example: '@some.creator' })
  @IsString()
  @MaxLength(2_048)
  uniqueId!: string;

  @ApiPropertyOptional({ description: 'how it is monitored; everything by default' })
  @IfPresent()
  @IsObject()
  @ValidateNested()
  @Type(() => CreatorOptionsBody)
  options?: CreatorOptionsBody;
}

class CreatorBatchBody {
  @ApiProperty({
    description: 'handles or addresses, or objects as in POST /v1/creators',
    maxItems: BATCH_MAX,
    items: { oneOf: [{ type: 'string' }, { $ref: '#/components/schemas/NewCreatorBody' }] },
    type: 'array',
    example: ['@one', { uniqueId: 'https://www.tiktok.com/@two/live', options: { raw: true } }],
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(BATCH_MAX)
  creators!: unknown[];
}

class CreatorPatchBody {
  @ApiPropertyOptional({ description: 'a paused creator is not connected; the gap is recorded' })
  @IfPresent()
  @IsBoolean()
  paused?: boolean;

  @ApiPropertyOptional({ description: 'replaces all options; a session cookie and a proxy are kept by sending them as they are shown' })
  @IfPresent()
  @IsObject()
  @ValidateNested()
  @Type(() => CreatorOptionsBody)
  options?: CreatorOptionsBody;
}

class CreatorQuery extends PageQuery {
  @ApiPropertyOptional({ enum: CREATOR_STATES, description: 'only those in this state' })
  @IsOptional()
  @IsIn(CREATOR_STATES)
  state?: CreatorState;

  @ApiPropertyOptional({ type: Boolean, description: 'only those that are paused, or only those that are not' })
  @IsOptional()
  @asFlag
  @IsBoolean()
  paused?: boolean;

  @ApiPropertyOptional({ description: 'part of the handle, or a whole user id' })
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;
}

class CreatorPage extends PageEnd {
  @ApiProperty({ type: [CreatorView] })
  data!: CreatorView[];
}

class HandleView {
  @ApiProperty({ description: 'a handle' })
  uniqueId!: string;
  @ApiProperty({ type: String, format: 'date-time', description: 'when it was first seen with it' })
  seenAt!: Date;
}

class CreatorDetail extends CreatorView {
  @ApiProperty({ type: [HandleView], description: 'handles it has had, newest first' })
  handles!: HandleView[];
}

class BatchItem {
  @ApiProperty({ type: 'integer', description: 'place in the list that was sent, from 0' })
  index!: number;
  @ApiProperty({ enum: ['created', 'exists', 'invalid'] })
  result!: 'created' | 'exists' | 'invalid';
  @ApiPropertyOptional({ description: 'internal id' })
  id?: string;
  @ApiPropertyOptional({ description: 'handle' })
  uniqueId?: string;
  @ApiPropertyOptional({ description: 'of an invalid one: the field that is wrong', example: 'options.types' })
  field?: string;
  @ApiPropertyOptional({ description: 'why it is invalid' })
  reason?: string;
}

class BatchResult {
  @ApiProperty({ type: [BatchItem] })
  data!: BatchItem[];
  @ApiProperty({ type: 'integer' })
  created!: number;
  @ApiProperty({ type: 'integer' })
  exists!: number;
  @ApiProperty({ type: 'integer' })
  invalid!: number;
}

class CreatorRefsBody {
  @ApiProperty({ type: [String], description: 'internal ids or handles', maxItems: BATCH_MAX, example: ['@one', 'cr_01kapmz9x8t0v7rwe5'] })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(BATCH_MAX)
  @IsString({ each: true })
  @MaxLength(100, { each: true })
  creators!: string[];
}

class ChangedItem {
  @ApiProperty({ type: 'integer', description: 'place in the list that was sent, from 0' })
  index!: number;
  @ApiProperty({
    enum: ['done', 'unchanged', 'unknown'],
    description: '`unchanged`: it was so already; `unknown`: no such creator is monitored',
  })
  result!: 'done' | 'unchanged' | 'unknown';
  @ApiPropertyOptional({ description: 'internal id' })
  id?: string;
  @ApiPropertyOptional({ description: 'handle' })
  uniqueId?: string;
}

class ChangedResult {
  @ApiProperty({ type: [ChangedItem] })
  data!: ChangedItem[];
  @ApiProperty({ type: 'integer' })
  done!: number;
  @ApiProperty({ type: 'integer' })
  unchanged!: number;
  @ApiProperty({ type: 'integer' })
  unknown!: number;
}

@ApiTags('creators')
@Needs('read')
@Controller('v1/creators')
export class CreatorsController {
  constructor(
    private readonly registry: CreatorRegistry,
    private readonly views: CreatorViews,
    private readonly options: CreatorOptionsKeeper,
  ) {}

  @Post()
  @Needs('creators:write')
  @ApiOperation({
    summary: 'Monitors a creator',
    description: '201 when it is new; 200, and nothing changed, when it is monitored already.',
  })
  @Fails('forbidden')
  @ApiCreatedResponse({ type: CreatorView, description: 'It is monitored from now on.' })
  @ApiOkResponse({ type: CreatorView, description: 'It was monitored already; nothing changed.' })
  async create(
    @Body() body: NewCreatorBody,
    @Caller() caller: KeyRecord,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CreatorView> {
    const name = readUniqueId(body.uniqueId);
    if (!name.ok) throw Problem.badField('uniqueId', `a TikTok handle or address: ${name.reason}`);
    const options = good(await this.options.judged(this.options.read(body.options)));
    const [added] = await this.registry.add([{ uniqueId: name.uniqueId, options }], allowedCreatorsOf(caller));
    if (added?.result !== 'created' && added?.result !== 'exists') throw new Problem('forbidden', OUT_OF_REACH);
    void reply.status(added.result === 'created' ? 201 : 200);
    return (await this.views.of([added.creator])).views[0]!;
  }

  @Post('batch')
  @HttpCode(200)
  @Needs('creators:write')
  @ApiOperation({
    summary: `Monitors up to ${BATCH_MAX} creators at once`,
    description: 'Valid ones are added even when others are not; each has its own result.',
  })
  @ApiOkResponse({ type: BatchResult })
  async createMany(@Body() body: CreatorBatchBody, @Caller() caller: KeyRecord): Promise<BatchResult> {
    const items = await Promise.all(body.creators.map((item) => this.readItem(item)));
    const valid = items.filter((item) => 'uniqueId' in item);
    const added = valid.length > 0 ? await this.registry.add(valid, allowedCreatorsOf(caller)) : [];
    let next = 0;
    const data = items.map((item, index): BatchItem => {
      if (!('uniqueId' in item)) return { index, result: 'invalid', ...item };
      const one = added[next++]!;
      if (one.result === 'refused') return { index, result: 'invalid', field: 'uniqueId', reason: OUT_OF_REACH };
      return { index, result: one.result, id: one.creator.id, uniqueId: one.creator.uniqueId };
    });
    const count = (result: BatchItem['result']) => data.filter((item) => item.result === result).length;
    return { data, created: count('created'), exists: count('exists'), invalid: count('invalid') };
  }

  @Post('batch/pause')
  @HttpCode(200)
  @Needs('creators:write')
  @ApiOperation({
    summary: `Pauses up to ${BATCH_MAX} creators at once`,
    description: 'Each has its own result. A paused creator is not connected; the gap is recorded.',
  })
  @ApiOkResponse({ type: ChangedResult })
  pauseMany(@Body() body: CreatorRefsBody, @Caller() caller: KeyRecord): Promise<ChangedResult> {
    return this.changeMany('pause', body, caller);
  }

  @Post('batch/resume')
  @HttpCode(200)
  @Needs('creators:write')
  @ApiOperation({
    summary: `Resumes up to ${BATCH_MAX} creators at once`,
    description: 'Each has its own result. They are connected as workers have room.',
  })
  @ApiOkResponse({ type: ChangedResult })
  resumeMany(@Body() body: CreatorRefsBody, @Caller() caller: KeyRecord): Promise<ChangedResult> {
    return this.changeMany('resume', body, caller);
  }

  @Post('batch/remove')
  @HttpCode(200)
  @Needs('creators:write')
  @ApiOperation({
    summary: `Ends the monitoring of up to ${BATCH_MAX} creators at once`,
    description: 'Each has its own result. Their events stay.',
  })
  @ApiOkResponse({ type: ChangedResult })
  removeMany(@Body() body: CreatorRefsBody, @Caller() caller: KeyRecord): Promise<ChangedResult> {
    return this.changeMany('remove', body, caller);
  }

  @Get()
  @ApiOperation({
    summary: 'Lists monitored creators',
    description: 'Oldest first. With `state` a page may hold fewer than `limit`, even none, while `next` still leads on.',
  })
  @ApiOkResponse({ type: CreatorPage })
  async list(@Query() query: CreatorQuery, @Caller() caller: KeyRecord): Promise<CreatorPage> {
    let after = decodePageCursor(query.cursor, 1)?.[0] ?? '';
    const data: CreatorView[] = [];
    for (let scanned = 0; scanned < SCAN_MAX;) {
      const size = query.state ? 1_000 : query.limit + 1;
      const rows = await this.registry.list({ q: query.q, paused: query.paused, allowedCreators: allowedCreatorsOf(caller) }, after, size);
      const { views, known } = await this.views.of(rows);
      if (query.state && !known)
        throw new Problem('unavailable', 'states cannot be read now: Redis does not answer', { headers: { 'retry-after': '2' } });
      for (const view of views) {
        if (data.length === query.limit) return { data, next: encodePageCursor([after]) };
        if (!query.state || view.state === query.state) data.push(view);
        after = view.id;
      }
      if (rows.length < size) return { data, next: null };
      scanned += rows.length;
    }
    return { data, next: encodePageCursor([after]) };
  }

  @Get(':creator')
  @ApiOperation({ summary: 'One creator', description: 'What it is monitored with, how its connection is, and the handles it has had.' })
  @ApiParam(CREATOR)
  @Fails('not-found')
  @ApiOkResponse({ type: CreatorDetail })
  async get(@Param('creator') ref: string, @Caller() caller: KeyRecord): Promise<CreatorDetail> {
    const creator = await this.known(ref, caller);
    const [{ views }, handles] = await Promise.all([this.views.of([creator]), this.registry.handles(creator.id)]);
    return Object.assign(new CreatorDetail(), views[0], { handles });
  }

  @Patch(':creator')
  @Needs('creators:write')
  @ApiOperation({
    summary: 'Pauses or resumes a creator, or replaces its options',
    description: 'What is absent stays. New options hold from the next connection on; a paused creator is disconnected at once.',
  })
  @ApiParam(CREATOR)
  @Fails('not-found')
  @ApiOkResponse({ type: CreatorView })
  async update(@Param('creator') ref: string, @Body() body: CreatorPatchBody, @Caller() caller: KeyRecord): Promise<CreatorView> {
    if (body.paused === undefined && body.options === undefined) {
      throw Problem.badField('paused', 'a change: paused (true or false) or options');
    }
    const before = await this.known(ref, caller);
    const options = body.options && good(await this.options.judged(this.options.read(body.options, before.options)));
    const creator = await this.registry.update(before.id, { paused: body.paused, options });
    if (!creator) throw unknownCreator(ref);
    return (await this.views.of([creator])).views[0]!;
  }

  @Delete(':creator')
  @HttpCode(204)
  @Needs('creators:write')
  @ApiOperation({
    summary: 'Ends the monitoring of a creator',
    description: 'Its events stay; added again, it comes back under the same id.',
  })
  @ApiParam(CREATOR)
  @Fails('not-found')
  @ApiNoContentResponse({ description: 'It is no longer monitored.' })
  async remove(@Param('creator') ref: string, @Caller() caller: KeyRecord): Promise<void> {
    const { id } = await this.known(ref, caller);
    if (!(await this.registry.remove(id))) throw unknownCreator(ref);
  }

  /** @throws Problem 404 for a creator that is not monitored, and for one that the caller may not see */
  private async known(ref: string, caller: KeyRecord): Promise<StoredCreator> {
    const creator = await this.registry.find(ref);
    if (!creator || !mayRead(caller, creator.id)) throw unknownCreator(ref);
    return creator;
  }

  private async changeMany(action: BatchAction, { creators }: CreatorRefsBody, caller: KeyRecord): Promise<ChangedResult> {
    const data = (await this.registry.changeMany(action, creators, allowedCreatorsOf(caller))).map((changed, index) => ({
      index,
      ...changed,
    }));
    const count = (result: ChangedItem['result']) => data.filter((item) => item.result === result).length;
    return { data, done: count('done'), unchanged: count('unchanged'), unknown: count('unknown') };
  }

  /** One item of a batch: what to add, or why it cannot be. */
  private async readItem(item: unknown): Promise<{ uniqueId: string; options: NewOptions } | { field: string; reason: string }> {
    const body = plainToInstance(NewCreatorBody, typeof item === 'string' ? { uniqueId: item } : item);
    if (!(body instanceof NewCreatorBody)) return { field: 'creators', reason: 'expected a handle, or an object with uniqueId' };
    const [error] = validateSync(body, { whitelist: true, forbidNonWhitelisted: true });
    if (error) return firstFault(error);
    const name = readUniqueId(body.uniqueId);
    if (!name.ok) return { field: 'uniqueId', reason: name.reason };
    const options = await this.options.judged(this.options.read(body.options));
    return 'field' in options ? { field: options.field, reason: `expected ${options.expected}` } : { uniqueId: name.uniqueId, options };
  }
}

/** @throws Problem for options that are wrong */
function good(options: NewOptions | OptionProblem): NewOptions {
  if ('field' in options) throw Problem.badField(options.field, options.expected);
  return options;
}

function firstFault({ property, constraints, children }: ReturnType<typeof validateSync>[number]): { field: string; reason: string } {
  const [own] = Object.values(constraints ?? {});
  const inner = children?.[0] && firstFault(children[0]);
  if (own !== undefined || !inner) return { field: property, reason: own ?? 'not as expected' };
  return { field: `${property}.${inner.field}`, reason: inner.reason };
}

function unknownCreator(ref: string): Problem {
  return Problem.notFound(`no creator ${ref.slice(0, 100)} is monitored`);
}
