import { existsSync } from 'node:fs';
import { request } from 'node:http';

/**
 * Starts Redis and PostgreSQL in containers; undefined when no Docker engine answers within a second.
 * @param {{ redis: boolean, postgres: boolean }} wanted
 */
export async function startContainers(wanted) {
  if (!(await engineAnswers())) {
    process.stderr.write('TRIBUTARY_TEST_CONTAINERS is set, but no Docker engine answers: private servers are used\n');
    return undefined;
  }
  const { RedisContainer } = await import('@testcontainers/redis');
  const { PostgreSqlContainer } = await import('@testcontainers/postgresql');
  const [redis, postgres] = await Promise.all([
    wanted.redis ? new RedisContainer('redis:7.4').withCommand(['redis-server', '--maxmemory-policy', 'noeviction']).start() : undefined,
    wanted.postgres ? new PostgreSqlContainer('postgres:18').withUsername('postgres').withDatabase('postgres').start() : undefined,
  ]);
  return {
    redisUrl: redis?.getConnectionUrl(),
    databaseUrl: postgres?.getConnectionUri(),
    stop: async () => {
      await Promise.all([redis?.stop(), postgres?.stop()]);
    },
  };
}

/** @returns {Promise<boolean>} */
function engineAnswers() {
  const host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock';
  const socketPath = host.startsWith('unix://') ? host.slice('unix://'.length) : undefined;
  if (socketPath && !existsSync(socketPath)) return Promise.resolve(false);
  const { hostname, port } = socketPath ? { hostname: 'localhost', port: '' } : new URL(host.replace(/^tcp:/, 'http:'));
  return new Promise((resolve) => {
    const ping = request({ socketPath, hostname, port, path: '/_ping', timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.end();
  });
}
