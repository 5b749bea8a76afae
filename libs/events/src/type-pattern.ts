/**
 * Whether an event type matches a pattern: an exact name, a prefix with `*` at its end (`tiktok.live.*`, `*`), or a
 * list of these, as an array or separated by commas. An empty list matches nothing.
 */
export function matchesType(pattern: string | readonly string[], type: string): boolean {
  if (typeof pattern !== 'string') return pattern.some((one) => matchesType(one, type));
  if (pattern.includes(',')) return pattern.split(',').some((one) => matchesType(one.trim(), type));
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}
