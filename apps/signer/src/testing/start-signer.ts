import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Config, createHttpAdapter, createValidationPipe, type Logger, OptionalRedis } from '@tributary/runtime';
import { testServers, waitFor } from '@tributary/testing';
import { randomUUID } from 'node:crypto';
import { prepareSigner, SIGNER_HTTP, SignerModule } from '../signer.module.js';

/** One line that was logged. */
export interface Logged {
  level: 'debug' | 'info' | 'warn' | 'error';
  fields: Record<string, unknown>;
  message: string;
}

export interface RunningSigner {
  url: string;
  logged: Logged[];
  app: NestFastifyApplication;
  stop(): Promise<void>;
}

/** Runs the whole signer inside the test's process, on a port and with Redis keys of its own. */
export async function startSigner(settings: Partial<Config>): Promise<RunningSigner> {
  const redisPrefix = `signer-${randomUUID()}`;
  const config = Object.assign(new Config(), { redisUrl: testServers().redisUrl, redisPrefix, ...settings });
  const logged: Logged[] = [];
  const at = (level: Logged['level']) => (fields: object, message: string) =>
    void logged.push({ level, fields: fields as Record<string, unknown>, message });
  const logger = { trace: at('debug'), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as unknown as Logger;
  const app = await NestFactory.create<NestFastifyApplication>(
    SignerModule.of(config, logger),
    createHttpAdapter({ ...SIGNER_HTTP, trustedProxies: config.trustedProxies }),
    {
      logger: false,
      abortOnError: false,
    },
  );
  app.useGlobalPipes(createValidationPipe());
  await prepareSigner(app, config, logger);
  await app.listen(0, '127.0.0.1');
  await waitFor(async () => (await app.get(OptionalRedis).ask((redis) => redis.ping())) === 'PONG', { what: 'Redis to answer the signer' });
  return { url: (await app.getUrl()).replace('[::1]', '127.0.0.1'), logged, app, stop: () => app.close() };
}
