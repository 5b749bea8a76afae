/** Stops what global-setup.mjs started, in the order in which it was started. */
export default async function tearDown() {
  for (const stop of globalThis.tributaryTestServers ?? []) await stop();
}
