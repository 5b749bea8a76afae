import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Config, ConfigError, loadConfig, maskedConfig } from './config.js';
import { createLogger, type Logger, nestLogger } from './logging.js';
import { createValidationPipe, ProblemFilter } from './problem.js';

/** What a process hands to {@link runProcess}. */
export interface ProcessOptions {
  name: string;
  /** Its port, from the configuration. */
  port: (config: Config) => number;
  /** The root module, made with the resolved configuration and logger. */
  module: (config: Config, logger: Logger) => Parameters<typeof NestFactory.create>[0];
  /** Anything to do to the application between creation and listening (microservices, OpenAPI, static files). */
  prepare?: (app: NestFastifyApplication, config: Config, logger: Logger) => Promise<void>;
  bodyBytesMax?: number;
  /** Takes `//path` for `/path`: some clients put a slash too many between their base URL and the route. */
  ignoreDuplicateSlashes?: boolean;
  /** A client that takes longer to send its request, 30 s by default, is answered 408 and cut off. Answers may take as long as they like. */
  requestMsMax?: number;
  /** A client that takes nothing of its answer for this long, 60 s by default, is cut off; so is a connection without a request. */
  silenceMsMax?: number;
}

const SHUTDOWN_MS_MAX = 9_000;
const REQUEST_MS_MAX = 30_000;
const SILENCE_MS_MAX = 60_000;

/** The HTTP server of a process, with every bound on what a client may send and how long it may take. */
export function createHttpAdapter(
  options: Pick<ProcessOptions, 'bodyBytesMax' | 'ignoreDuplicateSlashes' | 'requestMsMax' | 'silenceMsMax'>,
): FastifyAdapter {
  const requestMsMax = options.requestMsMax ?? REQUEST_MS_MAX;
  const silenceMsMax = options.silenceMsMax ?? SILENCE_MS_MAX;
  const adapter = new FastifyAdapter({
    bodyLimit: options.bodyBytesMax ?? 1_048_576,
    trustProxy: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512, ignoreDuplicateSlashes: options.ignoreDuplicateSlashes ?? false },
    connectionTimeout: silenceMsMax,
    // Node looks for slow requests only every 30 s unless told otherwise.
    requestTimeout: requestMsMax,
    http: { connectionsCheckingInterval: 1_000, headersTimeout: requestMsMax },
  });
  cutSilent(adapter.getInstance().server, silenceMsMax);
  return adapter;
}

/**
 * Cuts connections on which nothing has moved for `silenceMsMax`, where the client is to blame. One that waits for an answer of
 * which nothing is written yet stays: then this process is what takes so long.
 */
function cutSilent(server: Server, silenceMsMax: number): void {
  const answering = new WeakMap<Socket, number>();
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    answering.set(socket, (answering.get(socket) ?? 0) + 1);
    response.once('close', () => answering.set(socket, (answering.get(socket) ?? 1) - 1));
  });
  server.on('timeout', (socket: Socket) => {
    if (socket.writableLength === 0 && (answering.get(socket) ?? 0) > 0) socket.setTimeout(silenceMsMax);
    else socket.destroy();
  });
}

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
  try {
    config = loadConfig();
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
  logger.debug({ config: maskedConfig(config) }, 'configuration');
  try {
    const app = await NestFactory.create<NestFastifyApplication>(options.module(config, logger), createHttpAdapter(options), {
      logger: nestLogger(logger),
      abortOnError: false,
    });
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
    else logger.error({ err: error }, 'cannot start');
    setTimeout(() => process.exit(1), 50);
  }
}
