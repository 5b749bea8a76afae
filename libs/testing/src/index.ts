export { type FaultProxy, startProxy } from './fault-proxy.js';
export { createDatabase, nodeFlags, type PrivateServer, startPostgres, startRedis, type SuiteServer, testServers } from './servers.js';
export { startTunnelProxy, type TunnelProxy } from './tunnel-proxy.js';
export { waitFor } from './wait-for.js';
export {
  callJson,
  canNameHosts,
  freePorts,
  type Stack,
  type StackLines,
  type StackOptions,
  type StackProcess,
  startStack,
} from './stack.js';
export * from './simulator/index.js';
export { finish, machine, random, table } from './report.js';
export { type OwnOption, ownNames, ownNumber, readOptions, type RunOptions } from './run-options.js';
export {
  protoOf,
  SAMPLE_MS,
  SAMPLE_ROOM,
  SAMPLE_SECONDS,
  sampleCommon,
  sampleGift,
  sampleId,
  sampleImage,
  sampleMessage,
  sampleText,
  sampleUser,
} from './samples.js';
export { FakeDns } from './fake-dns.js';
export { INSIDE_SPELLINGS, INSIDE_V4, INSIDE_V6, words } from './hostile-addresses.js';
export { HOSTILE_TOKENS, hostileTexts, slowest } from './hostile-text.js';
export { catalogProblems } from './catalog-check.js';
export {
  type HookAnswer,
  hookEvents,
  type ReceivedHook,
  startWebhookReceiver,
  verifyHook,
  type WebhookReceiver,
  type WebhookReceiverOptions,
} from './webhook-receiver.js';
export { selfSignedCertificate } from './simulator/tiktok/certificate.js';
export { ownedData } from './owners.js';
