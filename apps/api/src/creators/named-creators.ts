import { Problem } from '@tributary/runtime';

/** Knows creators by what they are or were called. */
interface Resolver {
  resolve(refs: readonly string[], allowedCreators: readonly string[] | undefined): Promise<{ ids: string[]; unknown: string[] }>;
}

/**
 * Internal ids of creators named by id or handle, former handles included.
 * @param field the parameter or setting that names them
 * @param allowedCreators internal ids of those that the caller may see; undefined: all
 * @throws Problem naming `field` for one that was never monitored, or is not among them
 */
export async function creatorIdsOf(
  registry: Resolver,
  refs: readonly string[],
  { field, allowedCreators }: { field: string; allowedCreators: readonly string[] | undefined },
): Promise<string[]> {
  const { ids, unknown } = await registry.resolve(refs, allowedCreators);
  if (unknown.length === 0) return ids;
  throw Problem.badField(field, `ids or handles of creators that are or were monitored; unknown: ${unknown.slice(0, 5).join(', ')}`);
}
