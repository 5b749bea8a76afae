import { FormatRegistry, Kind, type TObject, type TProperties, Type, TypeRegistry } from '@sinclair/typebox';

/** Texts of one event are cut at this many UTF-16 units; a comment has at most a few hundred. */
export const TEXT_LENGTH_MAX = 4_096;

/** A count: whole, never below 0. */
export const count = (description: string) => Type.Integer({ description, minimum: 0 });

/** Text as TikTok sent it, without NUL and lone surrogates. */
export const text = (description: string) => Type.String({ description, maxLength: TEXT_LENGTH_MAX });

/** A 64-bit id of TikTok, in decimal. */
export const id = (description: string) => Type.String({ description, maxLength: 64 });

/** ISO 8601 in UTC with milliseconds. */
export const instant = (description: string) => Type.String({ description, format: 'date-time' });

export const url = (description: string) => Type.String({ description, maxLength: TEXT_LENGTH_MAX });

const WORD = 'Tributary.Word';

/** One of a closed list of words. `other` stands for codes that TikTok adds later. In JSON Schema: a string with `enum`. */
export const word = <T extends string[]>(description: string, ...words: [...T]) =>
  Type.Unsafe<T[number]>({ [Kind]: WORD, type: 'string', enum: words, description });

// TypeBox checks neither an enum of strings nor any format by itself.
TypeRegistry.Set<{ enum: string[] }>(WORD, (schema, value) => typeof value === 'string' && schema.enum.includes(value));
FormatRegistry.Set('date-time', (value) => /^\d{4}-\d\d-\d\dT/.test(value) && !Number.isNaN(Date.parse(value)));

const truncated = Type.Optional(Type.Boolean({ description: 'true when a text, list or the whole was cut to its bound' }));

/** Data of a TikTok event: the given fields, and `truncated`. */
export function data<T extends TProperties>(fields: T): TObject<T & { truncated: typeof truncated }> {
  return Type.Object({ ...fields, truncated }, { additionalProperties: true });
}

export const User = Type.Object(
  {
    id: Type.Optional(
      id('numeric id, stable when the handle changes; absent where TikTok does not say it: such viewers are not one person'),
    ),
    uniqueId: Type.Optional(text('the @handle')),
    nickname: Type.Optional(text('display name')),
    avatarUrl: Type.Optional(url('small picture; such URLs expire')),
    isModerator: Type.Optional(Type.Boolean({ description: 'moderator of this creator' })),
    isSubscriber: Type.Optional(Type.Boolean({ description: 'paying subscriber of this creator' })),
    followRole: Type.Optional(
      Type.Integer({ description: '0 does not follow the creator, 1 follows, 2 they follow each other', minimum: 0, maximum: 2 }),
    ),
    isVerified: Type.Optional(Type.Boolean({ description: 'true for a verified account; absent otherwise' })),
    gifterLevel: Type.Optional(count('level of the gifter badge (1 to 50)')),
    fanLevel: Type.Optional(count("level in the creator's fan club")),
  },
  { description: 'a viewer, as far as the message says: a field is absent when TikTok did not send it' },
);

/** A user in a part of its own, such as who received a gift. */
export const userAs = (description: string) => Type.Optional(Type.Object(User.properties, { description }));

export const user = userAs('the viewer it is about; absent when TikTok sent none');
