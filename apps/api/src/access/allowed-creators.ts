import type { KeyRecord } from '@tributary/runtime';

/** Internal ids of the creators that a caller is limited to; undefined: every creator. */
export function allowedCreatorsOf({ restriction }: Pick<KeyRecord, 'restriction'>): string[] | undefined {
  return restriction && [...restriction.creators];
}

/** Whether a caller may see what is of this creator. */
export function mayRead({ restriction }: Pick<KeyRecord, 'restriction'>, creatorId: string): boolean {
  return !restriction || restriction.creators.includes(creatorId);
}

/** Whether everything that `one` may see may be seen by `other` too. */
export function isWithin(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  if (other === undefined) return true;
  const wider = new Set(other);
  return one !== undefined && one.every((id) => wider.has(id));
}
