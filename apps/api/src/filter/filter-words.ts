import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsOptional, IsString, Length, Matches } from 'class-validator';
import { Problem } from '@tributary/runtime';
import { asList } from '../http/paging.js';
import { AreEventTypes, IsInstant } from '../http/validators.js';
import type { FilterWord, WordForm, WordLookup } from './field.js';
import { FILTER_FIELDS } from './fields.js';
import { type EventFilter, type FieldName, FIELDS } from './filter.js';

/** Where words stand: in the parameters of a query, or in the settings of an endpoint, where null takes one back. */
type Place = 'query' | 'setting';

/** Which events a reader wants: a parameter for each field of the table. */
export class EventFilterQuery {}

/** The same as settings of a webhook endpoint, for each field that endpoints have. */
export class EventFilterSettings {}

/** These settings, as they are shown. */
export class EventFilterView {}

for (const [, { query, setting }] of FIELDS) {
  wordOf(query, 'query')(EventFilterQuery.prototype, query.name);
  if (!setting) continue;
  wordOf(setting, 'setting')(EventFilterSettings.prototype, setting.name);
  const { shown: description, example } = setting;
  ApiProperty({ type: typeOf(setting.form), nullable: true, description, ...(example === undefined ? {} : { example }) })(
    EventFilterView.prototype,
    setting.name,
  );
}

/**
 * The filter that words mean which have passed the checks of their class.
 * @param base what holds where a word is absent
 * @throws Problem naming the word that is wrong
 */
export async function readFilter(place: Place, words: object, lookup: WordLookup, base: EventFilter = {}): Promise<EventFilter> {
  const filter = new Map(Object.entries(base) as [FieldName, unknown][]);
  for (const [name, field] of FIELDS) {
    const word = field[place];
    const asked: unknown = word && (words as Readonly<Record<string, unknown>>)[word.name];
    if (!word || asked === undefined) continue;
    const value = asked === null ? undefined : field.read ? await field.read(asked, word.name, lookup) : asked;
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

/** A parameter of other lists that asks for the same as a field of the table. */
export const FilterParameter = (field: FieldName, description: string): PropertyDecorator =>
  wordOf({ ...FILTER_FIELDS[field].query, description }, 'query');

function isList({ kind }: WordForm): boolean {
  return kind === 'texts' || kind === 'types';
}

function typeOf(form: WordForm): StringConstructor | [StringConstructor] {
  return isList(form) ? [String] : String;
}

/** The checks of a word, and its description. */
function wordOf({ name, description, form, example }: FilterWord, place: Place): PropertyDecorator {
  const isSetting = place === 'setting';
  return applyDecorators(
    ...checksOf(name, form),
    ...(isList(form) && !isSetting ? [asList] : []),
    IsOptional(),
    ApiPropertyOptional({
      type: typeOf(form),
      description,
      ...(form.kind === 'instant' ? { format: 'date-time' } : {}),
      ...(example === undefined ? {} : { example }),
      ...(isSetting ? { nullable: true } : {}),
    }),
  );
}

function checksOf(name: string, form: WordForm): PropertyDecorator[] {
  const someOf = (what: string) => ArrayMinSize(1, { message: `${name} must name at least one ${what}; leave it out for all of them` });
  switch (form.kind) {
    case 'instant':
      return [IsInstant()];
    case 'types':
      return [AreEventTypes(), someOf('event type')];
    case 'texts':
      return [Length(1, form.lengthMax, { each: true }), IsString({ each: true }), ArrayMaxSize(form.itemsMax), someOf(form.of), IsArray()];
    case 'text': {
      const { pattern } = form;
      const check = pattern ? Matches(pattern.regex, { message: `${name} must be ${pattern.expected}` }) : Length(1, form.lengthMax);
      return [check, IsString()];
    }
  }
}
