import { applyDecorators } from '@nestjs/common';
import { unknownPatterns } from '@tributary/events';
import { ArrayMaxSize, IsArray, IsISO8601, IsString, MaxLength, registerDecorator, type ValidationArguments } from 'class-validator';
import { Transform } from 'class-transformer';

const PATTERNS_MAX = 100;

/** Event types of the catalog, or patterns with a trailing `*`; one that matches no type is refused: it would be silent for ever. */
export function AreEventTypes(): PropertyDecorator {
  const known: PropertyDecorator = (target, property) =>
    registerDecorator({
      name: 'areEventTypes',
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: (value: unknown) => Array.isArray(value) && unknownPatterns(strings(value)).length === 0,
        defaultMessage: ({ property: name, value }: ValidationArguments) =>
          `${name} must hold event types such as tiktok.live.chat, or patterns such as tiktok.live.*; there is no ${unknownPatterns(strings(value)).slice(0, 5).join(', ')}`,
      },
    });
  return applyDecorators(IsArray(), ArrayMaxSize(PATTERNS_MAX), IsString({ each: true }), MaxLength(100, { each: true }), known);
}

/** An ISO 8601 date or date and time, as text; {@link toDate} makes it a date. */
export function IsInstant(): PropertyDecorator {
  return applyDecorators(
    // A `+` of an offset that was not percent-encoded arrives as a space.
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.replace(/(\d) (\d\d:?\d\d)$/, '$1+$2') : value)),
    IsISO8601({ strict: true, strictSeparator: true }, { message: '$property must be a date and time such as 2026-11-22T10:00:00Z' }),
  );
}

/** A text that passed {@link IsInstant}. Without an offset it is UTC. */
export function toDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const hasTime = text.includes('T');
  return new Date(hasTime && !/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? `${text}Z` : text);
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((part) => typeof part === 'string') : [];
}
