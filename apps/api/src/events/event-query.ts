import { Injectable } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import type { KeyRecord } from '@tributary/runtime';
import { IsBoolean, IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { allowedCreatorsOf } from '../access/allowed-creators.js';
import { CreatorRegistry } from '../creators/creator-registry.js';
import { creatorIdsOf } from '../creators/named-creators.js';
import { type EventFilter, limitedTo } from '../filter/filter.js';
import { EventFilterQuery, readFilter } from '../filter/filter-parameters.js';
import { asFlag, ListLimit } from '../http/paging.js';

const RAW = { type: Boolean, default: false, description: 'give the raw protobuf too, base64, where it was stored' };

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
   * @throws Problem naming the parameter that is wrong
   */
  async from(query: EventFilterQuery, caller: Pick<KeyRecord, 'restriction'>): Promise<EventFilter> {
    const allowedCreators = allowedCreatorsOf(caller);
    const lookup = {
      creatorIds: (refs: readonly string[], field: string) => creatorIdsOf(this.registry, refs, { field, allowedCreators }),
    };
    return limitedTo(await readFilter('query', query, lookup), allowedCreators);
  }
}
