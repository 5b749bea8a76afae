import { dataProblems, dataSchema, isEventType, type JsonSchema } from '@tributary/events';

/**
 * How an event, as JSON, differs from its entry in the catalog: an unknown type, fields of another shape, and fields that the
 * catalog does not name. Empty when it agrees. Values are never quoted.
 */
export function catalogProblems({ type, data }: { type: string; data: object }): string[] {
  if (!isEventType(type)) return [`${type} is not in the catalog`];
  const seen: unknown = JSON.parse(JSON.stringify(data));
  const schema = dataSchema(type);
  const generic = Object.keys(schema.properties ?? {}).join() === 'truncated';
  const problems = [...dataProblems(type, seen), ...(generic ? [] : undocumented(schema, seen))];
  return problems.map((problem) => `${type} ${problem}`);
}

function undocumented(schema: JsonSchema, value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((one: unknown, n) => undocumented(schema.items ?? {}, one, `${path}/${n}`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    const field = schema.properties?.[name];
    return field ? undocumented(field, inner, `${path}/${name}`) : [`${path}/${name}: not in the catalog`];
  });
}
