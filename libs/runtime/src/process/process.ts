import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { allowedHosts } from '../http/allowed-hosts.js';
import { type Config, ConfigError, loadConfig, maskedConfig, type ProcessName } from '../config/config.js';
import { createHttpAdapter, type HttpOptions } from '../http/http-adapter.js';
import { createLogger, type Logger, nestLogger } from './logging.js';
import { createValidationPipe, ProblemFilter } from '../http/problem.js';

/** What a process hands to {@link runProcess}. */
export interface ProcessOptions extends HttpOptions {
  name: Exclude<ProcessName, 'admin'>;
  /** Its port, from the configuration. */
  port: (config: Config) => number;
  /** The root module, made with the resolved configuration and logger. */
  module: (config: Config, logger: Logger) => Parameters<typeof NestFactory.create>[0];
  /** Anything to do to the application between creation and listening (microservices, OpenAPI, static files). */
  prepare?: (app: NestFastifyApplication, config: Config, logger: Logger) => Promise<void>;
}

const SHUTDOWN_MS_MAX = 9_000;

/** Tells a supervisor that the port is this process's own: only then may it send secrets there. Without one nothing happens. */
export function tellParent(): void {
  process.send?.('listening', undefined, undefined, () => undefined);
}

/**
 * Runs one process of the system: configuration, logger, Nest on Fastify, validation, problem+json, listening, and a
 * shutdown on SIGTERM or SIGINT that ends within 10 s whatever happens. Exits with code 1 and one clear sentence when it cannot start.
 */
export async function runProcess(options: ProcessOptions): Promise<void> {
  let config: Config;
  const ignored: string[] = [];
  try {
    config = loadConfig(options.name, process.env, (problem) => ignored.push(problem));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${options.name}: ${error.message}\n`);
    process.exit(1);
  }
  const logger = createLogger({ name: options.name, level: config.logLevel, format: config.logFormat });
  process.on('unhandledRejection', (error) => {
    logger.error({ err: error }, 'unhandled rejection; this is a bug, the process ends');
    process.exit(1);
  });
  if (ignored.length > 0) logger.warn({ ignored }, 'settings of other processes are wrong; this process does without them');
  logger.debug({ config: maskedConfig(config) }, 'configuration');
  try {
    const app = await NestFactory.create<NestFastifyApplication>(
      options.module(config, logger),
      createHttpAdapter({ ...options, hosts: allowedHosts(config), trustedProxies: config.trustedProxies }),
      {
        logger: nestLogger(logger),
        abortOnError: false,
      },
    );
    app.useGlobalPipes(createValidationPipe());
    app.useGlobalFilters(new ProblemFilter(logger));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        logger.info({ signal }, 'stopping');
        setTimeout(() => {
          logger.error({ afterMs: SHUTDOWN_MS_MAX }, 'shutdown took too long; the process ends');
          process.exit(1);
        }, SHUTDOWN_MS_MAX).unref();
        void app.close().then(
          () => process.exit(0),
          (error: unknown) => {
            logger.error({ err: error }, 'shutdown failed');
            process.exit(1);
          },
        );
      });
    }
    await options.prepare?.(app, config, logger);
    await app.listen(options.port(config), config.host);
    logger.info({ address: await app.getUrl() }, 'listening');
    tellParent();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE')
      logger.error({ port: options.port(config) }, 'the port is in use; choose another or stop what listens there');
    else if (error instanceof ConfigError) logger.error({ reason: error.message }, 'cannot start: the configuration is wrong');
    else logger.error({ err: error }, 'cannot start');
    setTimeout(() => process.exit(1), 50);
  }
}
