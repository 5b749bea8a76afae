import type { TSchema } from '@sinclair/typebox';
import { type CatalogEntry, catalogEntries, type EventType } from './catalog.js';
import { User } from './fields.js';

/** JSON Schema (2020-12) of each type's data, by type, as plain JSON: for OpenAPI, AsyncAPI and code generators. */
export function jsonSchemas(): Record<EventType, object> {
  const schemas = catalogEntries().map(({ type, about, schema }) => [type, { title: type, ...plain(schema), description: about }]);
  return Object.fromEntries(schemas) as Record<EventType, object>;
}

/** The catalog as Markdown: a table of all types, then the fields of each typed one. The text of docs/events.md. */
export function describeCatalog(): string {
  const entries = catalogEntries();
  const table = entries.map(({ type, about, shape }) => `| \`${type}\` | ${shape} | ${cell(about)} |`);
  return [
    '| type | data | meaning |',
    '| --- | --- | --- |',
    ...table,
    '',
    '### user',
    '',
    ...FIELD_HEAD,
    ...rows(User, ''),
    '',
    ...entries.filter(({ shape }) => shape === 'typed').flatMap(fieldsOf),
  ].join('\n');
}

const FIELD_HEAD = ['| field | type | meaning |', '| --- | --- | --- |'];

function fieldsOf({ type, about, schema }: CatalogEntry): string[] {
  return [`### ${type}`, '', about, '', ...FIELD_HEAD, ...rows(schema, '').filter(isNotTruncated), ''];
}

function rows(schema: TSchema, path: string): string[] {
  const required = new Set<string>(schema.required ?? []);
  return Object.entries((schema.properties ?? {}) as Record<string, TSchema>).flatMap(([name, field]) => {
    const at = `${path}${name}`;
    const row = `| \`${at}\`${required.has(name) ? '' : ' (optional)'} | ${typeName(field)} | ${cell(field.description ?? '')} |`;
    // A user is the same everywhere: its fields are listed once, in a table of their own.
    if (isUser(field)) return [row];
    const inner: TSchema = field.type === 'array' ? field.items : field;
    return isUser(inner) ? [row] : [row, ...rows(inner, field.type === 'array' ? `${at}[].` : `${at}.`)];
  });
}

const isNotTruncated = (row: string) => !row.startsWith('| `truncated`');
const isUser = (schema: TSchema) => schema.properties?.followRole !== undefined;

function typeName(schema: TSchema): string {
  if (isUser(schema)) return 'user';
  if (schema.type === 'array') return `array of ${typeName(schema.items)}`;
  if (schema.enum) return schema.enum.map((one: string) => `\`${one}\``).join(', ');
  return schema.format === 'date-time' ? 'time' : schema.type;
}

const cell = (text: string) => text.replaceAll('|', '\\|');

function plain(schema: TSchema): object {
  return JSON.parse(JSON.stringify(schema));
}
