import type { LoggerService } from '@nestjs/common';
import { type Logger as PinoLogger, pino } from 'pino';
import { reasonOf } from '../reason.js';

/** Structured logger: `log.info({ field }, 'what happened')`. Libraries take this shape and know no implementation. */
export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error'>;

const REDACTED = [
  'req.headers.authorization',
  'req.headers["x-api-key"]',
  'req.headers.cookie',
  'apiKey',
  'cookie',
  'secret',
  '*.apiKey',
  '*.cookie',
  '*.secret',
];

/** Makes the root logger of one process, writing to standard output. */
export function createLogger(options: { name: string; level: string; format: 'json' | 'pretty' }): PinoLogger {
  return pino({
    name: options.name,
    level: options.level,
    redact: REDACTED,
    base: { name: options.name },
    ...(options.format === 'pretty'
      ? {
          transport: {
            target: 'pino-pretty',
            options: { colorize: false, ignore: 'pid,hostname,name', singleLine: true, translateTime: 'SYS:HH:MM:ss.l' },
          },
        }
      : {}),
  });
}

/** Sends Nest's own messages to the same logger, those of the start-up at debug. */
export function nestLogger(logger: Logger): LoggerService {
  const text = (message: unknown, context: unknown[]) => {
    const where = context.filter((part): part is string => typeof part === 'string').at(-1);
    return [{ context: where, ...(message instanceof Error ? { err: message } : {}) }, reasonOf(message)] as const;
  };
  return {
    log: (message: unknown, ...rest: unknown[]) => logger.debug(...text(message, rest)),
    warn: (message: unknown, ...rest: unknown[]) => logger.warn(...text(message, rest)),
    error: (message: unknown, ...rest: unknown[]) => logger.error(...text(message, rest)),
    debug: (message: unknown, ...rest: unknown[]) => logger.debug(...text(message, rest)),
    verbose: (message: unknown, ...rest: unknown[]) => logger.trace(...text(message, rest)),
  };
}
