/** The fields of data that free text search looks at, in the database and in memory alike. */
const TEXT_FIELDS = ['comment', 'question', 'text'] as const;

/** The condition that a text of an event matches a pattern of `like`; `pattern` is a placeholder. */
export function anyTextLike(pattern: string): string {
  return `(${TEXT_FIELDS.map((field) => textLike('data', field, pattern)).join(' or ')} or ${anyCaption(pattern)})`;
}

/** The same texts of an event in memory. */
export function textsOf(data: object): string[] {
  const fields = data as Record<string, unknown>;
  const captions = Array.isArray(fields.texts) ? (fields.texts as ({ text?: unknown } | null)[]) : [];
  const found = [...TEXT_FIELDS.map((field) => fields[field]), ...captions.map((caption) => caption?.text)];
  return found.filter((text) => typeof text === 'string');
}

/** Lower case as PostgreSQL makes it, character by character: JavaScript writes one Turkish letter as two, and a last sigma in another form. */
export function lowerCase(text: string): string {
  return (/[İΣ]/.test(text) ? text.replaceAll('İ', 'i').replaceAll('Σ', 'σ') : text).toLowerCase();
}

/** The viewer of an event as the store keeps it: TikTok's id, where it is one, and the handle in lower case. */
export function viewerOf(data: object): { id?: string; handle?: string } {
  const { user } = data as { user?: { id?: unknown; uniqueId?: unknown } | null };
  const id = plainText(user?.id);
  const handle = plainText(user?.uniqueId);
  return { id: id === '' || id === '0' ? undefined : id, handle: handle === undefined ? undefined : lowerCase(handle) };
}

/** Makes a text stand for itself in a pattern of `like`. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

/** A value as `->>` gives it, for all that a viewer may be asked for by. */
function plainText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** A field that is a text and contains another; `->>` alone would give the JSON of an object too. */
function textLike(object: string, field: string, text: string): string {
  return `(${object}->>'${field}' ilike ${text} and jsonb_typeof(${object}->'${field}') = 'string')`;
}

/** Captions carry several texts. The case keeps the function from data whose `texts` is something else. */
function anyCaption(text: string): string {
  const texts = `jsonb_array_elements(case jsonb_typeof(data->'texts') when 'array' then data->'texts' else '[]' end)`;
  return `(data ? 'texts' and exists (select from ${texts} as caption where ${textLike('caption', 'text', text)}))`;
}
