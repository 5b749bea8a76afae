import { type CatalogEntry, catalogEntries, type EventType, type JsonSchema } from './catalog.js';
import { User } from './types/fields.js';

/** JSON Schema (2020-12) of each type's data, by type, as plain JSON: for OpenAPI, AsyncAPI and code generators. */
export function jsonSchemas(): Record<EventType, JsonSchema> {
  const schemas = catalogEntries().map(({ type, about, schema }) => [type, { title: type, ...plain(schema), description: about }]);
  return Object.fromEntries(schemas) as Record<EventType, JsonSchema>;
}

/** The catalog as Markdown: a table of all types, then the fields of each typed one. The text of docs/events.md. @public */
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

function rows(schema: JsonSchema, path: string): string[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const at = `${path}${name}`;
    const row = `| \`${at}\`${required.has(name) ? '' : ' (optional)'} | ${typeName(field)} | ${cell(field.description ?? '')} |`;
    // A user is the same everywhere: its fields are listed once, in a table of their own.
    if (isUser(field)) return [row];
    const inner: JsonSchema = field.items ?? field;
    return isUser(inner) ? [row] : [row, ...rows(inner, field.items ? `${at}[].` : `${at}.`)];
  });
}

const isNotTruncated = (row: string) => !row.startsWith('| `truncated`');
const isUser = (schema: JsonSchema) => schema.properties?.followRole !== undefined;

function typeName(schema: JsonSchema): string {
  if (isUser(schema)) return 'user';
  if (schema.items) return `array of ${typeName(schema.items)}`;
  if (schema.enum) return schema.enum.map((one) => `\`${one}\``).join(', ');
  return schema.format === 'date-time' ? 'time' : (schema.type ?? '');
}

const cell = (text: string) => text.replaceAll('|', '\\|');

/** Without TypeBox's own marks, which are symbols. */
function plain(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema)) as JsonSchema;
}
