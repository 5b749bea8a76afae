export { type FaultProxy, startProxy } from './fault-proxy.js';
export { createDatabase, type PrivateServer, startPostgres, startRedis, type SuiteServer, testServers } from './servers.js';
export { waitFor } from './wait-for.js';
