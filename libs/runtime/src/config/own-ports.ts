import type { Config } from './config.js';

/**
 * The ports of this system itself. They stay closed even in a private network that an operator opens to webhooks or proxies, because
 * Redis, PostgreSQL and the processes trust clients that reach them.
 */
export function ownPorts(config: Config): number[] {
  // An address that cannot be parsed is refused by whoever connects to it; its port is closed to others all the same.
  const portOf = (url: string) => (URL.canParse(url) ? new URL(url).port : /:(\d{1,5})(?:[/?#][^@]*)?$/.exec(url)?.[1]);
  const ofUrl = (url: string, fallback: number) => Number(portOf(url)) || fallback;
  return [
    ...[config.apiPort, config.signerPort, config.ingestPort, config.simulatorPort],
    ...[ofUrl(config.redisUrl, 6379), ofUrl(config.databaseUrl, 5432), ofUrl(config.signerUrl, 80)],
  ];
}
