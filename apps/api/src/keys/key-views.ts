import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { KEY_CREATORS_MAX, type Scope, SCOPES } from '@tributary/runtime';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsString, Length } from 'class-validator';
import { PageEnd } from '../http/paging.js';
import { IsInstant, IfPresent } from '../http/validators.js';
import type { KeyCreator } from './key-store.js';

const instant = { type: String, format: 'date-time' } as const;

/** What a client sends to make a key. A limit that is null is refused: it must not pass for none. */
export class NewKeyBody {
  @ApiProperty({ description: 'what the key is for', example: 'overlay' })
  @IsString()
  @Length(1, 100)
  name!: string;

  @ApiProperty({
    enum: SCOPES,
    isArray: true,
    description:
      '`admin` includes every other scope, `webhooks:write` includes `webhooks:read`. Endpoints get events, so that making them also needs `read`',
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(SCOPES.length)
  @IsIn(SCOPES, { each: true, message: `each of scopes must be one of ${SCOPES.join(', ')}` })
  scopes!: Scope[];

  @ApiPropertyOptional({
    type: [String],
    minItems: 1,
    maxItems: KEY_CREATORS_MAX,
    description:
      'ids or handles of monitored creators: the key sees and changes what is of these alone, on every route. All when absent; not with `admin`',
    example: ['@some.creator'],
  })
  @IfPresent()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(KEY_CREATORS_MAX)
  @IsString({ each: true })
  @Length(1, 64, { each: true })
  creators?: string[];

  @ApiPropertyOptional({ format: 'date-time', description: 'the key is refused from then on; never when absent' })
  @IfPresent()
  @IsInstant()
  expiresAt?: string;
}

export class KeyCreatorView {
  @ApiProperty({ description: 'internal id' })
  id!: string;
  @ApiProperty({ type: String, nullable: true, description: 'present handle; null when it is no longer known' })
  uniqueId!: string | null;
}

export class KeyView {
  @ApiProperty({ description: 'id of the key, not the key itself', example: 'key_01kapmz9x8t0v7rwe5' })
  id!: string;
  @ApiProperty({ description: 'what the key is for' })
  name!: string;
  @ApiProperty({ enum: SCOPES, isArray: true })
  scopes!: Scope[];
  @ApiProperty({ type: [KeyCreatorView], nullable: true, description: 'the creators that it is limited to; null: all' })
  creators!: KeyCreator[] | null;
  @ApiProperty({ ...instant, nullable: true, description: 'null: never' })
  expiresAt!: Date | null;
  @ApiProperty(instant)
  createdAt!: Date;
  @ApiProperty({ ...instant, nullable: true, description: 'exact to about 30 s' })
  lastUsedAt!: Date | null;
}

export class NewKeyView extends KeyView {
  @ApiProperty({ description: 'the key itself, shown this once and stored only as a hash' })
  key!: string;
}

export class KeyPage extends PageEnd {
  @ApiProperty({ type: [KeyView] })
  data!: KeyView[];
}

/** A revocation that signers have not been told of. */
export class PendingRevocation {
  @ApiProperty({ description: 'id of the key' })
  id!: string;
  @ApiProperty({ enum: ['signers'], description: 'who still has to be told' })
  pending!: 'signers';
  @ApiProperty({ description: 'the same in a sentence' })
  detail!: string;
}

class CallerLimits {
  @ApiProperty({ type: 'integer', description: 'requests in a minute, in each process of the API' })
  requestsPerMinute!: number;
  @ApiProperty({ type: 'integer', description: 'live streams open at a time, in each process of the API' })
  streams!: number;
  @ApiProperty({ type: 'integer', description: 'webhook endpoints' })
  webhookEndpoints!: number;
}

/** What the caller is. */
export class CallerView extends KeyView {
  @ApiProperty({ description: 'what it may use' })
  limits!: CallerLimits;
}
