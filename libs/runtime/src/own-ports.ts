import type { Config } from './config.js';

/**
 * Ports that are this system's own. A private network that an operator opens to webhooks or proxies does not open them: Redis,
 * PostgreSQL and the processes trust whoever reaches them more than a stranger.
 */
export function ownPorts(config: Config): number[] {
  const ofUrl = (url: string, fallback: number) => Number(new URL(url).port) || fallback;
  return [
    ...[config.apiPort, config.signerPort, config.ingestPort, config.simulatorPort],
    ...[ofUrl(config.redisUrl, 6379), ofUrl(config.databaseUrl, 5432), ofUrl(config.signerUrl, 80)],
  ];
}
