import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { EventFilterSettings } from '../../filter/filter-parameters.js';
import { IfPresent } from '../../http/validators.js';
import { readTarget } from '../../outbound/target.js';
import { headerProblem, ValidWith, metadataProblem } from './header-rules.js';
import { readSharedSecret, SIGNATURE_SCHEMES, type SignatureScheme } from '../../delivery/request/signature.js';

export const RATE_MAX = 10_000;
const GRACE_SECONDS_MAX = 7 * 86_400;

const urlProblem = (value: unknown) => {
  const target = typeof value === 'string' ? readTarget(value) : 'a text';
  return typeof target === 'string' ? `must be ${target}` : undefined;
};
const secretProblem = (value: unknown) =>
  typeof value === 'string' && readSharedSecret(value) !== undefined ? undefined : 'must be whsec_ and base64 of 24 to 64 bytes';

class BatchBody {
  @ApiProperty({ type: 'integer', minimum: 1, maximum: 500, description: 'a delivery with this many events goes out at once' })
  @IsInt()
  @Min(1)
  @Max(500)
  maxEvents!: number;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: 60_000,
    default: 1_000,
    description: 'the longest an event waits for others, in ms',
  })
  @IfPresent()
  @IsInt()
  @Min(0)
  @Max(60_000)
  maxWaitMs?: number;
}

/** The settings of an endpoint but for its URL; null takes a setting back to its default. */
class SettingsBody extends EventFilterSettings {
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: 500, description: 'what it is for; free text' })
  @IsOptional()
  @IsString()
  @MaxLength(500)
  @Matches(/^[^\0]*$/, { message: 'description must not hold NUL' })
  description?: string | null;

  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' }, nullable: true, description: 'texts of your own' })
  @IsOptional()
  @ValidWith('metadata', metadataProblem)
  metadata?: Record<string, string> | null;

  @ApiPropertyOptional({
    type: Boolean,
    nullable: true,
    default: false,
    description: 'strictly in log order, one request at a time; one that fails holds back the others for its whole schedule',
  })
  @IsOptional()
  @IsBoolean()
  ordered?: boolean | null;

  @ApiPropertyOptional({
    type: 'integer',
    nullable: true,
    minimum: 1,
    maximum: 100,
    default: 10,
    description: 'deliveries under way at a time',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(100)
  maxInFlight?: number | null;

  @ApiPropertyOptional({ type: BatchBody, nullable: true, description: 'several events in one delivery' })
  @IsOptional()
  @ValidateNested()
  @Type(() => BatchBody)
  batch?: BatchBody | null;

  @ApiPropertyOptional({ type: 'number', minimum: 0.01, maximum: RATE_MAX, nullable: true, description: 'deliveries a second at most' })
  @IsOptional()
  @IsNumber()
  @Min(0.01)
  @Max(RATE_MAX)
  rateLimit?: number | null;

  @ApiPropertyOptional({
    type: 'integer',
    nullable: true,
    minimum: 1_000,
    maximum: 30_000,
    default: 15_000,
    description: 'time of one attempt, in ms',
  })
  @IsOptional()
  @IsInt()
  @Min(1_000)
  @Max(30_000)
  timeoutMs?: number | null;

  @ApiPropertyOptional({
    enum: SIGNATURE_SCHEMES,
    isArray: true,
    nullable: true,
    default: ['v1'],
    description: '`v1`: HMAC-SHA256. `v1a`: ed25519',
  })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(SIGNATURE_SCHEMES, { each: true })
  signatures?: SignatureScheme[] | null;

  @ApiPropertyOptional({
    type: 'object',
    nullable: true,
    additionalProperties: { type: 'string' },
    description: 'sent with every attempt; stored encrypted and never shown',
  })
  @IsOptional()
  @ValidWith('headers', headerProblem)
  headers?: Record<string, string> | null;
}

export class NewEndpointBody extends SettingsBody {
  @ApiProperty({ description: 'http or https, without user name and fragment', example: 'https://example.com/hooks' })
  @ValidWith('url', urlProblem)
  url!: string;

  @ApiPropertyOptional({ description: 'a secret of your own, `whsec_` and base64 of 24 to 64 bytes; made when absent' })
  @IfPresent()
  @ValidWith('secret', secretProblem)
  secret?: string;

  @ApiPropertyOptional({ description: 'position to start after; the head of the log when absent' })
  @IfPresent()
  @IsString()
  @MaxLength(100)
  cursor?: string;

  @ApiPropertyOptional({ default: false, description: 'ask the receiver for its consent first (CloudEvents OPTIONS handshake)' })
  @IfPresent()
  @IsBoolean()
  challenge?: boolean;
}

export class EndpointPatchBody extends SettingsBody {
  @ApiPropertyOptional({
    description:
      'http or https, without user name and fragment. With another origin (scheme, host or port) the stored headers are dropped, unless new ones come along, and a new secret replaces all others at once: it is in the answer',
  })
  @IfPresent()
  @ValidWith('url', urlProblem)
  url?: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description:
      'gives it to the key with this id, or, null, to the operator; needs the scope `admin`. The key must be allowed to see all that its owner may',
  })
  @IsOptional()
  @IsString()
  @Length(1, 64)
  owner?: string | null;

  @ApiPropertyOptional({ default: false, description: 'ask the receiver for its consent first' })
  @IfPresent()
  @IsBoolean()
  challenge?: boolean;
}

export class RotateBody {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    maximum: GRACE_SECONDS_MAX,
    default: 86_400,
    description: 'seconds in which the old secret signs too',
  })
  @IfPresent()
  @IsInt()
  @Min(0)
  @Max(GRACE_SECONDS_MAX)
  graceSeconds?: number;

  @ApiPropertyOptional({ description: 'a secret of your own; made when absent' })
  @IfPresent()
  @ValidWith('secret', secretProblem)
  secret?: string;
}

export class ResumeBody {
  @ApiPropertyOptional({ enum: ['deliver', 'skip'], default: 'deliver', description: 'what becomes of events since it stopped' })
  @IfPresent()
  @IsIn(['deliver', 'skip'])
  backlog?: 'deliver' | 'skip';
}
