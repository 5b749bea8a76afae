import { type CanActivate, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { allows, Config, hashKey, type KeyProjection, type KeyRecord, type Logger, type Scope } from '@tributary/runtime';
import type { FastifyRequest } from 'fastify';
import { SignError } from './answer.js';
import { notesOf } from './wide-log.js';

/** A key that was found. */
interface Known {
  record: KeyRecord;
  at: number;
}

const FRESH_MS = 10_000;
/** How long a key goes on working while Redis is away or its projection is being rebuilt. */
const KEEP_MS = 600_000;
const ENTRIES_MAX = 10_000;

/** Keys by hash, asked of the projection in Redis and remembered for a while. */
export class KeyCache {
  private readonly known = new Map<string, Known>();
  private away = false;

  constructor(
    private readonly projection: Pick<KeyProjection, 'lookup'>,
    private readonly logger: Logger,
    private readonly now: () => number = Date.now,
  ) {}

  /** The record of a key, undefined when there is none, `unknown` when that cannot be told. */
  async find(key: string): Promise<KeyRecord | undefined | 'unknown'> {
    const hash = hashKey(key);
    const cached = this.known.get(hash);
    if (cached && this.now() - cached.at < FRESH_MS) return cached.record;
    const found = await this.lookup(key);
    if (found === 'unknown') return cached && this.now() - cached.at < KEEP_MS ? cached.record : 'unknown';
    this.known.delete(hash);
    // Only keys that exist are kept: made-up ones must not push them out.
    if (found) {
      if (this.known.size >= ENTRIES_MAX) this.known.delete(this.known.keys().next().value ?? hash);
      this.known.set(hash, { record: found, at: this.now() });
    }
    return found;
  }

  private async lookup(key: string): Promise<KeyRecord | undefined | 'unknown'> {
    try {
      const found = await this.projection.lookup(key);
      this.away = false;
      return found;
    } catch (error) {
      if (!this.away) this.logger.warn({ reason: (error as Error).message }, 'keys cannot be looked up; known ones go on working');
      this.away = true;
      return 'unknown';
    }
  }
}

const NEEDED = 'scope that a route needs';
/** The scope that a route needs; `sign` where nothing is said. */
export const Needs = (scope: Scope) => SetMetadata(NEEDED, scope);

const KEY_LENGTH_MAX = 256;
const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;

/** Lets a request in by its API key. In development, none is needed from this machine. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(KeyCache) private readonly keys: KeyCache,
    @Inject(Config) private readonly config: Config,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const needed = this.reflector.getAllAndOverride<Scope | undefined>(NEEDED, [context.getHandler(), context.getClass()]) ?? 'sign';
    const free = this.config.mode === 'development' && LOOPBACK.test(request.socket.remoteAddress ?? '');
    const key = keyOf(request);
    const record = key === undefined || key.length > KEY_LENGTH_MAX ? undefined : await this.keys.find(key);
    if (record !== undefined && record !== 'unknown') {
      notesOf(request).key = record.id;
      if (allows(record, needed) || free) return true;
      throw new SignError(403, 'forbidden', `this API key has not the scope "${needed}"`);
    }
    if (free) return true;
    if (record === 'unknown') throw new SignError(503, 'unavailable', 'API keys cannot be checked at the moment; try again', 2_000);
    throw new SignError(
      401,
      'unauthorized',
      key === undefined ? 'an API key is needed: send it as x-api-key or as Authorization: Bearer' : 'this API key is not known here',
    );
  }
}

/** A key from wherever clients put it: `x-api-key`, `Authorization: Bearer`, `?apiKey=`. */
function keyOf(request: FastifyRequest): string | undefined {
  const header = request.headers['x-api-key'];
  if (typeof header === 'string' && header !== '') return header;
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer) return bearer;
  const { apiKey } = request.query as { apiKey?: unknown };
  return typeof apiKey === 'string' && apiKey !== '' ? apiKey : undefined;
}
