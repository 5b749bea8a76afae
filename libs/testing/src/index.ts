export { type FaultProxy, startProxy } from './network/fault-proxy.js';
export {
  createDatabase,
  nodeFlags,
  type PrivateServer,
  startPostgres,
  startRedis,
  type SuiteServer,
  testServers,
} from './processes/servers.js';
export { startTunnelProxy, type TunnelProxy } from './network/tunnel-proxy.js';
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
} from './processes/stack.js';
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
} from './samples/wire-messages.js';
export { FakeDns } from './network/fake-dns.js';
export { INSIDE_SPELLINGS, INSIDE_V4, INSIDE_V6, words } from './samples/hostile-addresses.js';
export { HOSTILE_TOKENS, hostileTexts, slowest } from './samples/hostile-text.js';
export { catalogProblems } from './checks/catalog-check.js';
export {
  type HookAnswer,
  hookEvents,
  type ReceivedHook,
  startWebhookReceiver,
  verifyHook,
  type WebhookReceiver,
  type WebhookReceiverOptions,
} from './network/webhook-receiver.js';
export { selfSignedCertificate } from './simulator/tiktok/certificate.js';
export { ownedData } from './checks/owned-data.js';
