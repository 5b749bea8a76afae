import type { Config } from './config.js';

/**
 * The ports of this system itself. They stay closed even in a private network that an operator opens to webhooks or proxies, because
 * Redis, PostgreSQL and the processes trust clients that reach them.
 */
export function ownPorts(config: Config): number[] {
  const ofUrl = (url: string, fallback: number) => Number(new URL(url).port) || fallback;
  return [
    ...[config.apiPort, config.signerPort, config.ingestPort, config.simulatorPort],
    ...[ofUrl(config.redisUrl, 6379), ofUrl(config.databaseUrl, 5432), ofUrl(config.signerUrl, 80)],
  ];
}
