/** What stops the servers of global-setup.mjs, in order. @type {(() => unknown)[]} */
export const testServerStops = [];

export default async function tearDown() {
  for (const stop of testServerStops.splice(0)) await stop();
}
