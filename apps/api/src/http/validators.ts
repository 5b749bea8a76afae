import { applyDecorators } from '@nestjs/common';
import { unknownPatterns } from '@tributary/events';
import { ArrayMaxSize, IsArray, IsString, MaxLength, registerDecorator, type ValidationArguments, ValidateIf } from 'class-validator';
import { Transform } from 'class-transformer';

const PATTERNS_MAX = 100;

/** Those of these texts that name no type of the catalog, as a type or a pattern. */
function unknownTypes(value: unknown): string[] {
  // A text with a comma would be a list, which this is already.
  return strings(value).filter((text) => text.includes(',') || unknownPatterns([text]).length > 0);
}

/** Event types of the catalog, or patterns with a trailing `*`; one that matches no type is refused: it would be silent for ever. */
export function AreEventTypes(): PropertyDecorator {
  const known: PropertyDecorator = (target, property) =>
    registerDecorator({
      name: 'areEventTypes',
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: (value: unknown) => Array.isArray(value) && unknownTypes(value).length === 0,
        defaultMessage: ({ property: name, value }: ValidationArguments) =>
          `${name} must hold event types such as tiktok.live.chat, or patterns such as tiktok.live.*; there is no ${unknownTypes(value).slice(0, 5).join(', ')}`,
      },
    });
  return applyDecorators(IsArray(), ArrayMaxSize(PATTERNS_MAX), IsString({ each: true }), MaxLength(100, { each: true }), known);
}

const INSTANT = /^(\d{4})-(\d\d)-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** A date or a date and time of ISO 8601, as text; {@link toDate} makes it a date. */
export function IsInstant(): PropertyDecorator {
  const readable: PropertyDecorator = (target, property) =>
    registerDecorator({
      name: 'isInstant',
      target: target.constructor,
      propertyName: property as string,
      validator: {
        validate: (value: unknown) => typeof value === 'string' && isInstant(value),
        defaultMessage: ({ property: name }: ValidationArguments) => `${name} must be a date and time such as 2026-11-22T10:00:00Z`,
      },
    });
  return applyDecorators(
    // A `+` of an offset that was not percent-encoded arrives as a space.
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.replace(/(\d) (\d\d:?\d\d)$/, '$1+$2') : value)),
    readable,
  );
}

/** A text that passed {@link IsInstant}. Without an offset it is UTC. */
export function toDate(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  return new Date(text.includes('T') && !INSTANT.exec(text)?.[4] ? `${text}Z` : text);
}

/** JavaScript takes the 31st of a month of 30 days for the 1st of the next. */
function isInstant(text: string): boolean {
  const [, year, month, day] = (INSTANT.exec(text) ?? []).map(Number);
  if (!year || !month || !day) return false;
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day && month <= 12 && !Number.isNaN(toDate(text)!.getTime());
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((part) => typeof part === 'string') : [];
}

/** Checks a field only where it is present. Null is a value and is checked. */
export const IfPresent = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);
