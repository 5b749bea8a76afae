import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Problem } from '@tributary/runtime';
import { Transform, Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';

/** An optional query parameter or field; absent and null are the same. */
export const ListLimit = (max: number, fallback: number): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({
      type: 'integer',
      minimum: 1,
      maximum: max,
      default: fallback,
      description: 'how many there may be in the answer',
    }),
    IsOptional(),
    Type(() => Number),
    IsInt(),
    Min(1),
    Max(max),
  );

/** A query parameter that is a flag: `true` or `false`; other text stays text, for the validator to refuse. */
export const asFlag = Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value));

/** A query parameter that may be repeated or hold a comma separated list. */
export const asList = Transform(({ value }: { value: unknown }) =>
  (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap((part) =>
    typeof part === 'string'
      ? part
          .split(',')
          .map((text) => text.trim())
          .filter(Boolean)
      : [part],
  ),
);

/** What every list that is not a list of events takes. */
export class PageQuery {
  @ListLimit(1000, 100)
  limit = 100;

  @ApiPropertyOptional({ maxLength: 300, description: '`next` of the page before' })
  @IsOptional()
  @IsString()
  @MaxLength(300)
  cursor?: string;
}

/** `next` of a list that is not a list of events. */
export class PageEnd {
  @ApiProperty({ type: String, nullable: true, description: 'cursor of the next page; null on the last one' })
  next!: string | null;
}

/** Encodes where a page ended: the sort key of its last row. */
export function encodePageCursor(parts: string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/**
 * Reads a page cursor of `length` parts.
 * @throws Problem naming `cursor` when it is not one of this list.
 */
export function decodePageCursor(cursor: string | undefined, length: number): string[] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    // PostgreSQL takes U+0000 in no text, and no key of ours has one.
    const isKey = (part: unknown) => typeof part === 'string' && !part.includes('\0');
    if (Array.isArray(parts) && parts.length === length && parts.every(isKey)) return parts as string[];
  } catch {
    // not JSON: answered below like any other text that is no cursor
  }
  throw Problem.badField('cursor', 'the `next` of a page of this list');
}
