import { Injectable } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { type KeyRecord, Problem } from '@tributary/runtime';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsBoolean, IsIn, IsOptional, IsString, Length, Matches, MaxLength } from 'class-validator';
import { reachOf } from '../access/reach.js';
import { CreatorRegistry } from '../creators/creator-registry.js';
import { asFlag, asList, ListLimit } from '../paging.js';
import type { EventFilter } from '../store/filter.js';
import { AreEventTypes, IsInstant, toDate } from '../validators.js';

const CREATORS_MAX = 200;
const RAW = { type: Boolean, default: false, description: 'give the raw protobuf too, base64, where it was stored' };

/** Which events a reader wants: the same for lists, exports and live streams. */
export class EventFilterQuery {
  @ApiPropertyOptional({ type: [String], description: 'repeated or comma separated: internal ids or handles, former handles included' })
  @IsOptional()
  @asList
  @IsArray()
  @ArrayMinSize(1, { message: 'creator must name at least one creator; leave it out for all of them' })
  @ArrayMaxSize(CREATORS_MAX)
  @IsString({ each: true })
  @Length(1, 64, { each: true })
  creator?: string[];

  @ApiPropertyOptional({ description: 'one room (stream), by its id' })
  @IsOptional()
  @IsString()
  @Matches(/^[\w.-]{0,64}$/, { message: 'room must be a room id' })
  room?: string;

  @ApiPropertyOptional({
    type: [String],
    description: 'repeated or comma separated: event types, or patterns with a trailing `*`',
    example: ['tiktok.live.gift', 'monitor.*'],
  })
  @IsOptional()
  @asList
  @ArrayMinSize(1, { message: 'type must name at least one event type; leave it out for all of them' })
  @AreEventTypes()
  type?: string[];

  @ApiPropertyOptional({ description: 'a viewer: TikTok user id, or handle' })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  user?: string;

  @ApiPropertyOptional({ description: 'text that a comment, question or caption contains; case is ignored' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  q?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'received at or after' })
  @IsOptional()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'received before' })
  @IsOptional()
  @IsInstant()
  until?: string;
}

/** A position to go on from. */
export class CursorQuery extends EventFilterQuery {
  @ApiPropertyOptional({ description: 'go on after this position: the `next` of a page, or the `position` of an event' })
  @IsOptional()
  @IsString()
  @MaxLength(100)
  cursor?: string;
}

/** What is given of an event beyond its envelope. */
export class EventQuery {
  @ApiPropertyOptional(RAW)
  @IsOptional()
  @asFlag
  @IsBoolean()
  raw = false;
}

/** A page of events. */
export class EventPageQuery extends CursorQuery {
  @ApiPropertyOptional({ enum: ['asc', 'desc'], default: 'asc', description: 'by position' })
  @IsOptional()
  @IsIn(['asc', 'desc'])
  order: 'asc' | 'desc' = 'asc';

  @ListLimit(1000, 100)
  limit = 100;

  @ApiPropertyOptional(RAW)
  @IsOptional()
  @asFlag
  @IsBoolean()
  raw = false;
}

/** Makes filters of queries. */
@Injectable()
export class EventFilters {
  constructor(private readonly registry: CreatorRegistry) {}

  /**
   * The filter that a query of `caller` means: of a key that is limited to creators, never more than these.
   * @throws Problem naming `creator` for one that was never monitored or that the caller may not see, `until` when it is not after
   * `since`.
   */
  async from(query: EventFilterQuery, caller: Pick<KeyRecord, 'restriction'>): Promise<EventFilter> {
    const since = toDate(query.since);
    const until = toDate(query.until);
    if (since && until && until <= since) throw Problem.badField('until', 'a time after since');
    const reach = reachOf(caller);
    const creatorIds = query.creator ? await this.creatorIds(query.creator, reach) : reach;
    return {
      ...(creatorIds ? { creatorIds } : {}),
      ...(query.room ? { roomId: query.room } : {}),
      ...(query.type ? { types: query.type } : {}),
      ...(query.user ? { userId: query.user.replace(/^@/, '') } : {}),
      ...(query.q ? { q: query.q } : {}),
      ...(since ? { since } : {}),
      ...(until ? { until } : {}),
    };
  }

  private async creatorIds(refs: string[], reach: string[] | undefined): Promise<string[]> {
    const { ids, unknown } = await this.registry.resolve(refs, reach);
    if (unknown.length > 0) {
      throw Problem.badField(
        'creator',
        `ids or handles of creators that are or were monitored; unknown: ${unknown.slice(0, 5).join(', ')}`,
      );
    }
    return ids;
  }
}
