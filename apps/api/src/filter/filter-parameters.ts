import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsOptional, IsString, Length, Matches } from 'class-validator';
import { Problem } from '@tributary/runtime';
import { asList } from '../http/paging.js';
import { AreEventTypes, IsInstant } from '../http/validators.js';
import type { CreatorLookup, FilterParameterDefinition, ParameterFormat } from './field.js';
import { FILTER_FIELDS } from './fields.js';
import { type EventFilter, type FieldName, FIELDS } from './filter.js';

/** Where parameters are given: in a query, or in the settings of an endpoint, where null removes one. */
type Place = 'query' | 'setting';

/** Which events a reader wants: a parameter for each field of the table. */
export class EventFilterQuery {}

/** The same as settings of a webhook endpoint, for each field that endpoints have. */
export class EventFilterSettings {}

/** These settings, as they are shown. */
export class EventFilterView {}

for (const [, { query, setting }] of FIELDS) {
  parameterOf(query, 'query')(EventFilterQuery.prototype, query.name);
  if (!setting) continue;
  parameterOf(setting, 'setting')(EventFilterSettings.prototype, setting.name);
  const { shown: description, example } = setting;
  ApiProperty({ type: typeOf(setting.format), nullable: true, description, ...(example === undefined ? {} : { example }) })(
    EventFilterView.prototype,
    setting.name,
  );
}

/**
 * The filter of parameters that have passed the checks of their class.
 * @param base what holds where a parameter is absent
 * @throws Problem naming the parameter that is wrong
 */
export async function readFilter(place: Place, parameters: object, lookup: CreatorLookup, base: EventFilter = {}): Promise<EventFilter> {
  const filter = new Map(Object.entries(base) as [FieldName, unknown][]);
  for (const [name, field] of FIELDS) {
    const definition = field[place];
    const asked: unknown = definition && (parameters as Readonly<Record<string, unknown>>)[definition.name];
    if (!definition || asked === undefined) continue;
    const value = asked === null ? undefined : field.read ? await field.read(asked, definition.name, lookup) : asked;
    if (value === undefined) filter.delete(name);
    else filter.set(name, value);
  }
  const made = Object.fromEntries(filter);
  for (const [name, field] of FIELDS) {
    const expected = made[name] === undefined ? undefined : field.conflict?.(made[name], made);
    if (expected) throw Problem.badField(field[place]?.name ?? name, expected);
  }
  return made;
}

/** The settings that a filter was made of, null where a field is not asked for. */
export function settingsOf(filter: EventFilter): Record<string, unknown> {
  return Object.fromEntries(FIELDS.flatMap(([name, { setting }]) => (setting ? [[setting.name, filter[name] ?? null]] : [])));
}

/** A parameter of other lists that means the same as a field of the table. */
export const FilterParameter = (field: FieldName, description: string): PropertyDecorator =>
  parameterOf({ ...FILTER_FIELDS[field].query, description }, 'query');

function isList({ kind }: ParameterFormat): boolean {
  return kind === 'texts' || kind === 'types';
}

function typeOf(format: ParameterFormat): StringConstructor | [StringConstructor] {
  return isList(format) ? [String] : String;
}

/** The checks of a parameter, and its description. */
function parameterOf({ name, description, format, example }: FilterParameterDefinition, place: Place): PropertyDecorator {
  const isSetting = place === 'setting';
  return applyDecorators(
    ...checksOf(name, format),
    ...(isList(format) && !isSetting ? [asList] : []),
    IsOptional(),
    ApiPropertyOptional({
      type: typeOf(format),
      description,
      ...(format.kind === 'instant' ? { format: 'date-time' } : {}),
      ...(example === undefined ? {} : { example }),
      ...(isSetting ? { nullable: true } : {}),
    }),
  );
}

function checksOf(name: string, format: ParameterFormat): PropertyDecorator[] {
  const someOf = (what: string) => ArrayMinSize(1, { message: `${name} must name at least one ${what}; leave it out for all of them` });
  switch (format.kind) {
    case 'instant':
      return [IsInstant()];
    case 'types':
      return [AreEventTypes(), someOf('event type')];
    case 'texts':
      return [
        Length(1, format.lengthMax, { each: true }),
        IsString({ each: true }),
        ArrayMaxSize(format.itemsMax),
        someOf(format.of),
        IsArray(),
      ];
    case 'text': {
      const { pattern } = format;
      const check = pattern ? Matches(pattern.regex, { message: `${name} must be ${pattern.expected}` }) : Length(1, format.lengthMax);
      return [check, IsString()];
    }
  }
}
