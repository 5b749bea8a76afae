import { randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { dayOfEvent, type Envelope, type EventDraft } from '@tributary/events';
import {
  Config,
  createHttpAdapter,
  createLogger,
  createPool,
  createRedis,
  createValidationPipe,
  inTransaction,
  ProblemFilter,
  OptionalRedis,
  type Scope,
} from '@tributary/runtime';
import { createDatabase, testServers } from '@tributary/testing';
import { createParser } from 'eventsource-parser';
import type { Redis } from 'ioredis';
import type pg from 'pg';
import { ApiModule, prepareApi } from '../api.module.js';
import { createKey } from '../keys/key-store.js';
import { REDIS } from '../resources.js';
import { StreamLimits } from '../live/stream-limits.js';
import { DayPartitions } from '../store/retention/days.js';
import { migrate } from '../store/schema/migrate.js';
import { Contract } from './contract.js';

const GATE_MS = 20_000;
const logger = createLogger({ name: 'api-test', level: 'silent', format: 'json' });

/** An answer of the API: its status, headers and JSON. */
export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

/** Problem+json as the tests read it. */
export interface ProblemBody {
  type: string;
  code: string;
  requestId: string;
  title: string;
  status: number;
  detail: string;
  errors?: { field: string; expected: string }[];
}

/** One SSE frame; `data` is parsed. */
export interface Frame {
  id?: string;
  event: string;
  data: Record<string, unknown>;
}

export interface StartOptions {
  config?: Partial<Config>;
  limits?: Partial<StreamLimits>;
  http?: Parameters<typeof createHttpAdapter>[0];
  /** Servers of the suite's own, where it stops them. */
  redisUrl?: string;
  database?: Awaited<ReturnType<typeof createDatabase>>;
}

/** Webhooks that may be sent to this machine, without the store, which writes events of its own about rooms that nobody watches. */
export function webhooksAlone(): Partial<Config> {
  return { apiRoles: ['http', 'webhooks'], webhookSecretKey: randomBytes(32).toString('base64'), webhookAllowCidrs: ['127.0.0.0/8'] };
}

/** A whole api process on a database and Redis prefix of its own, listening on a free port of the loopback. */
export class ApiUnderTest {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly config: Config,
    readonly url: string,
    readonly pool: pg.Pool,
    readonly redis: Redis,
    readonly adminKey: string,
    private readonly dropDatabase: () => Promise<void>,
  ) {}

  static async start(options: StartOptions = {}): Promise<ApiUnderTest> {
    const database = options.database ?? (await createDatabase());
    const config = Object.assign(new Config(), {
      mode: 'test',
      databaseUrl: database.url,
      redisUrl: options.redisUrl ?? testServers().redisUrl,
      redisPrefix: database.name.replaceAll('_', '-'),
      // Nothing listens there: the signer is shown as away.
      signerUrl: 'http://127.0.0.1:9',
      ...options.config,
    });
    await migrate(config.databaseUrl);
    const pool = createPool(config.databaseUrl, logger, { name: 'test', max: 4 });
    const created = await createKey(pool, 'test', ['admin']);
    if (created === 'full') throw new Error('a new database has no room for a key');

    const module = await Test.createTestingModule({ imports: [ApiModule.of(config, logger)] })
      .overrideProvider(StreamLimits)
      .useValue(Object.assign(new StreamLimits(), options.limits))
      // A busy machine must not pass for a Redis that is away.
      .overrideProvider(OptionalRedis)
      .useFactory({ factory: (client: Redis) => new OptionalRedis(client, logger, '', GATE_MS), inject: [REDIS] })
      .compile();
    const app = module.createNestApplication<NestFastifyApplication>(createHttpAdapter(options.http ?? {}), {
      logger: false,
    });
    app.useGlobalPipes(createValidationPipe());
    app.useGlobalFilters(new ProblemFilter(logger));
    await prepareApi(app, config, logger);
    await app.listen(0, '127.0.0.1');
    const redis = createRedis(config.redisUrl, logger, { name: 'test' });
    return new ApiUnderTest(app, config, await app.getUrl(), pool, redis, created.key, () => database.drop());
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.pool.end();
    this.redis.disconnect();
    await this.dropDatabase();
  }

  /** Redis loses everything of this suite at one moment, whatever is being written. */
  async wipeRedis(): Promise<void> {
    const script = `local keys = redis.call('KEYS', ARGV[1]) for _, key in ipairs(keys) do redis.call('DEL', key) end return #keys`;
    await this.redis.eval(script, 0, `${this.config.redisPrefix}:*`);
  }

  /** A key with these scopes, made by the API itself. */
  async key(...scopes: Scope[]): Promise<string> {
    return (await this.makeKey(scopes)).key;
  }

  /** The same with limits, and its id. */
  async makeKey(scopes: Scope[], limits: { creators?: string[]; expiresAt?: string } = {}): Promise<{ id: string; key: string }> {
    const { status, body } = await this.call<{ id: string; key: string }>('POST', '/v1/keys', {
      body: { name: scopes.join(), scopes, ...limits },
    });
    if (status !== 201) throw new Error(`no key was made: ${JSON.stringify(body)}`);
    return body;
  }

  /**
   * A request with the admin key, unless another or none (null) is given.
   * @throws Error for an answer that is not as the description of the API says
   */
  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    options: { body?: unknown; key?: string | null; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const key = options.key === undefined ? this.adminKey : options.key;
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '') && !/ndjson/.test(response.headers.get('content-type') ?? '');
    const parsed = (json && text ? JSON.parse(text) : text) as T;
    const faults = (await Contract.get()).faults(method, path, response.status, response.headers.get('content-type') ?? '', parsed);
    if (faults.length > 0) throw new Error(`${method} ${path.slice(0, 200)} -> ${response.status}: ${faults.join('; ')}`);
    return { status: response.status, headers: response.headers, body: parsed };
  }

  /** Stores events the way the store does: one transaction that moves the head by compare-and-set. Returns the new head. */
  async commit(drafts: readonly EventDraft[]): Promise<number> {
    await new DayPartitions(this.pool).ensure(drafts.map(({ id }) => dayOfEvent(id)));
    return inTransaction(this.pool, async (client) => {
      const { rows } = await client.query<{ seq: number }>('update log_head set seq = seq + $1 returning seq::float8', [drafts.length]);
      const head = rows[0]!.seq;
      for (const [i, draft] of drafts.entries()) {
        await client.query(
          `insert into events (seq, day, id, type, creator_id, handle, room_id, time, received_at, user_id, user_handle, data)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb->'user'->>'id', lower($10::jsonb->'user'->>'uniqueId'), $10)`,
          [
            head - drafts.length + 1 + i,
            dayOfEvent(draft.id),
            draft.id,
            draft.type,
            draft.creatorId,
            draft.handle,
            draft.roomId,
            new Date(draft.time),
            new Date(draft.receivedAt),
            JSON.stringify(draft.data),
          ],
        );
      }
      return head;
    });
  }

  /** Opens a live stream. */
  async stream(query = '', options: { key?: string; headers?: Record<string, string> } = {}): Promise<LiveReader> {
    const abort = new AbortController();
    const response = await fetch(`${this.url}/v1/stream${query}`, {
      signal: abort.signal,
      headers: { authorization: `Bearer ${options.key ?? this.adminKey}`, ...options.headers },
    });
    return new LiveReader(response, abort);
  }
}

/** A client of the live stream. */
export class LiveReader {
  readonly frames: Frame[] = [];
  private readonly waiting: Frame[] = [];
  private readonly parser = createParser({
    onEvent: ({ id, event = 'message', data }) => void this.waiting.push({ id, event, data: JSON.parse(data) as Record<string, unknown> }),
  });
  private readonly body: AsyncIterator<Uint8Array> | undefined;
  private readonly decoder = new TextDecoder();

  constructor(
    readonly response: Response,
    private readonly abort: AbortController,
  ) {
    this.body = response.body?.[Symbol.asyncIterator]();
  }

  /** The next frame that is not a heartbeat; undefined at the end of the stream. */
  async next(): Promise<Frame | undefined> {
    for (;;) {
      const frame = this.waiting.shift();
      if (frame) {
        this.frames.push(frame);
        return frame;
      }
      const chunk = await this.body?.next();
      if (!chunk || chunk.done) return undefined;
      this.parser.feed(this.decoder.decode(chunk.value, { stream: true }));
    }
  }

  /** The next `count` events of the log, without `hello` and `position`. */
  async events(count: number): Promise<Envelope[]> {
    const events: Envelope[] = [];
    while (events.length < count) {
      const frame = await this.next();
      if (!frame) throw new Error(`the stream ended after ${events.length} of ${count} events`);
      if (frame.event.includes('.')) events.push(frame.data as unknown as Envelope);
    }
    return events;
  }

  close(): void {
    this.abort.abort();
  }
}

const ROOM_SECONDS = Math.floor(Date.UTC(2026, 10, 22) / 1000);
let made = 0;

/** A snowflake id of the day the tests play on: unique, and growing with every call. */
export function snowflake(): string {
  return String((BigInt(ROOM_SECONDS) << 32n) + BigInt(++made));
}

/** An event as a worker makes it. */
export function draft(over: Partial<EventDraft> = {}): EventDraft {
  const roomId = over.roomId ?? '7540589352666090247';
  const at = (ROOM_SECONDS + 60) * 1000 + made;
  return {
    id: `${roomId}-${snowflake()}`,
    type: 'tiktok.live.chat',
    creatorId: 'cr_test',
    handle: 'tester',
    roomId,
    time: at,
    receivedAt: at,
    data: { user: { id: '42', uniqueId: 'Viewer.One', nickname: 'One' }, comment: 'hello' },
    ...over,
  };
}
