import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { UNWATCHED_REASONS } from '@tributary/events';
import { type KeyRecord, Problem } from '@tributary/runtime';
import { IsBoolean, IsIn, IsOptional } from 'class-validator';
import { Caller, Needs } from '../access/needs.js';
import { mayRead } from '../access/allowed-creators.js';
import { EventFilters } from '../events/event-query.js';
import { FilterParameter } from '../filter/filter-parameters.js';
import { Fails } from '../openapi/fails.js';
import { asFlag, decodePageCursor, encodePageCursor, ListLimit, PageEnd, PageQuery } from '../http/paging.js';
import { IsInstant, toDate } from '../http/validators.js';
import { type Bucket, BUCKETS, type LeaderField, LEADERS, SessionStore } from './session-store.js';
import { Leaderboard, Timeline } from './session-tables.js';

/** A session of four weeks in buckets of one hour, or of a day in buckets of ten seconds. */
const POINTS_MAX = 10_000;
const ROOM = { name: 'roomId', description: 'room of the stream', schema: { type: 'string', example: '7540589352666090247' } };
/** The sort key of a session: its start, to the microsecond. */
const START = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

class ViewersView {
  @ApiProperty({ type: 'integer', description: 'most viewers at a time' })
  peak!: number;
  @ApiProperty({ description: 'over the time in which their number is known' })
  average!: number;
}

class SessionView {
  @ApiProperty({ description: 'room of the stream: the id of the session' })
  roomId!: string;
  @ApiProperty({ description: 'internal id of the creator' })
  creatorId!: string;
  @ApiProperty({ description: 'handle of the creator' })
  creator!: string;
  @ApiProperty({ type: String, format: 'date-time', description: 'its start, or its first event where no event reported the start' })
  startedAt!: Date;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'when it was last known to be on air; null while it is live',
  })
  endedAt!: Date | null;
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'streamEnd',
    description:
      'What confirmed its end (`streamEnd`, `poll`), or why its room is watched no more, so that nobody knows how long it went on (' +
      `${UNWATCHED_REASONS.map((reason) => `\`${reason}\``).join(', ')}: see \`monitor.unwatched\`). Null while it is live, and where it ended before this was recorded`,
  })
  endReason!: string | null;
  @ApiProperty({ type: String, format: 'date-time', description: 'when its newest event happened' })
  lastEventAt!: Date;
  @ApiProperty({ description: 'viewers at a time' })
  viewers!: ViewersView;
  @ApiProperty({ type: 'integer', description: 'events of TikTok' })
  events!: number;
  @ApiProperty({ type: 'integer', description: 'comments' })
  chats!: number;
  @ApiProperty({ type: 'integer', description: 'sum of the likes TikTok sent, which are a sample' })
  likes!: number;
  @ApiProperty({ type: 'integer', description: 'likes of the room: the number to show' })
  roomLikes!: number;
  @ApiProperty({ type: 'integer', description: 'gifts' })
  gifts!: number;
  @ApiProperty({ type: 'integer', description: 'of these, the gifts whose price is not known: they are in no sum of diamonds' })
  unpricedGifts!: number;
  @ApiProperty({ type: 'integer', description: 'diamonds of the gifts whose price is known' })
  diamonds!: number;
  @ApiProperty({ type: 'integer', description: 'new followers' })
  follows!: number;
  @ApiProperty({ type: 'integer', description: 'shares of the room' })
  shares!: number;
  @ApiProperty({ type: 'integer', description: 'viewers who joined, as far as TikTok sends them' })
  joins!: number;
  @ApiProperty({ type: 'integer', description: 'recorded gaps, in which events may be missing' })
  gaps!: number;
  @ApiProperty({ type: 'integer', description: 'time of these gaps, in ms' })
  gapMs!: number;
}

class SessionDetail extends SessionView {
  @ApiProperty({ type: 'integer', description: 'viewers who wrote' })
  chatters!: number;
  @ApiProperty({ type: 'integer', description: 'viewers who gave gifts' })
  gifters!: number;
  @ApiProperty({ type: 'integer', description: 'viewers who liked' })
  likers!: number;
}

class SessionPage extends PageEnd {
  @ApiProperty({ type: [SessionView] })
  data!: SessionView[];
}

class SessionQuery extends PageQuery {
  @FilterParameter('creatorIds', 'repeated or comma separated: internal ids or handles')
  creator?: string[];

  @ApiPropertyOptional({ format: 'date-time', description: 'sessions that were live at this time or later' })
  @IsOptional()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'sessions that began before' })
  @IsOptional()
  @IsInstant()
  until?: string;

  @ApiPropertyOptional({ type: Boolean, description: 'only sessions that are live, or only those that have ended' })
  @IsOptional()
  @asFlag
  @IsBoolean()
  live?: boolean;
}

class LeaderboardQuery {
  @ApiPropertyOptional({ enum: LEADERS, default: 'diamonds', description: 'what decides the order' })
  @IsOptional()
  @IsIn(LEADERS)
  by: LeaderField = 'diamonds';

  @ListLimit(1000, 20)
  limit = 20;
}

class TimelineQuery {
  @ApiPropertyOptional({ enum: Object.keys(BUCKETS), default: '1m', description: 'width of a bucket' })
  @IsOptional()
  @IsIn(Object.keys(BUCKETS))
  bucket: Bucket = '1m';
}

@ApiTags('sessions')
@Needs('read')
@Controller('v1/sessions')
export class SessionsController {
  constructor(
    private readonly sessions: SessionStore,
    private readonly filters: EventFilters,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Sessions, newest first',
    description:
      'A session is a room: a reconnect does not split it. It ends when its end is confirmed, or when its room is watched no more; received again, the same session goes on.',
  })
  @ApiOkResponse({ type: SessionPage })
  async list(@Query() query: SessionQuery, @Caller() caller: KeyRecord): Promise<SessionPage> {
    const before = decodePageCursor(query.cursor, 2);
    if (before && !(START.test(before[0]!) && Date.parse(before[0]!) > 0))
      throw Problem.badField('cursor', 'the `next` of a page of this list');
    const { creatorIds } = await this.filters.from({ creator: query.creator, since: query.since, until: query.until }, caller);
    const filter = { creatorIds, since: toDate(query.since), until: toDate(query.until), live: query.live };
    const rows = await this.sessions.list(filter, before as [string, string] | undefined, query.limit + 1);
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    return {
      data: page.map(({ key: _, ...session }) => session),
      next: last && rows.length > page.length ? encodePageCursor([last.key, last.roomId]) : null,
    };
  }

  @Get(':roomId')
  @ApiOperation({ summary: 'One session', description: 'With its totals, and how many viewers took part.' })
  @ApiParam(ROOM)
  @Fails('not-found')
  @ApiOkResponse({ type: SessionDetail })
  async get(@Param('roomId') roomId: string, @Caller() caller: KeyRecord): Promise<SessionDetail> {
    return this.known(roomId, caller);
  }

  @Get(':roomId/leaderboard')
  @ApiOperation({ summary: 'Its viewers by what they gave, wrote or liked', description: 'Those with none of it are left out.' })
  @ApiParam(ROOM)
  @Fails('not-found')
  @ApiOkResponse({ type: Leaderboard })
  async leaderboard(@Param('roomId') roomId: string, @Query() query: LeaderboardQuery, @Caller() caller: KeyRecord): Promise<Leaderboard> {
    await this.known(roomId, caller);
    return { data: await this.sessions.leaders(roomId, query.by, query.limit), next: null };
  }

  @Get(':roomId/timeline')
  @ApiOperation({
    summary: 'Its counts over time',
    description: `Buckets without an event are left out. At most ${POINTS_MAX} buckets: a long session needs wider ones.`,
  })
  @ApiParam(ROOM)
  @Fails('not-found')
  @ApiOkResponse({ type: Timeline })
  async timeline(@Param('roomId') roomId: string, @Query() query: TimelineQuery, @Caller() caller: KeyRecord): Promise<Timeline> {
    await this.known(roomId, caller);
    const data = await this.sessions.timeline(roomId, query.bucket, POINTS_MAX + 1);
    if (data.length > POINTS_MAX)
      throw Problem.badField('bucket', `a wider bucket: this session has more than ${POINTS_MAX} of ${query.bucket}`);
    return { bucket: query.bucket, data, next: null };
  }

  /** @throws Problem 404 for a session that there is not, and for one of a creator that the caller may not see */
  private async known(roomId: string, caller: KeyRecord): Promise<SessionDetail> {
    const session = await this.sessions.get(roomId);
    if (!session || !mayRead(caller, session.creatorId)) throw unknownSession(roomId);
    return session;
  }
}

function unknownSession(roomId: string): Problem {
  return Problem.notFound(`there is no session ${roomId.slice(0, 100)}`);
}
