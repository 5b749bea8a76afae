/** Which key a tab goes on with, when its address brings one. */

/**
 * A link may bring a key (`#key=`). It takes the place of the key of a signed-in tab only after a yes: whoever made the link knows
 * its key, and could otherwise have somebody work in their name without noticing.
 * @param {string | null | undefined} stored of the tab
 * @param {string | undefined} brought by its address
 * @param {() => Promise<boolean>} ask
 * @returns {Promise<string | undefined>} undefined when there is none
 */
export async function keyToUse(stored, brought, ask) {
  if (!brought || brought === stored) return stored || undefined;
  if (!stored) return brought;
  return (await ask()) ? brought : stored;
}
