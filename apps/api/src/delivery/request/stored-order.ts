/**
 * JSON as the database gives it back, with its members in the order of PostgreSQL's jsonb: shorter names first, equal ones by their
 * bytes. A first attempt is made of what is in memory, a later one of what is stored: only so are both the same bytes.
 */
export function inStoredOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inStoredOrder);
  const members = Object.entries(value).sort(([a], [b]) => compareNames(a, b));
  return Object.fromEntries(members.map(([name, member]) => [name, inStoredOrder(member)]));
}

function compareNames(a: string, b: string): number {
  const [first, second] = [Buffer.from(a), Buffer.from(b)];
  return first.length - second.length || Buffer.compare(first, second);
}
