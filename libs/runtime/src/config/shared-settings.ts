import 'reflect-metadata';
import { Transform } from 'class-transformer';
import { IsString, Matches } from 'class-validator';
import { Bounded, HttpUrl, list, Networks, OneOf, SERVERS, Setting, TrustedNetworks } from './setting-rules.js';

/** Those that use the log, and hold or show creators. */
const LOG = ['api', 'ingest'] as const;
const WITH_REDIS = ['api', 'ingest', 'signer'] as const;
/** Those that are called with keys. */
const WITH_KEYS = ['api', 'signer'] as const;
/** Those that call TikTok. */
const TIKTOK = ['ingest', 'signer'] as const;

/** The settings that several processes read. */
export class SharedSettings {
  @Setting('NODE_ENV', '`development` needs no key for signing on loopback; `production` does', SERVERS)
  @OneOf(['development', 'production', 'test'])
  mode: 'development' | 'production' | 'test' = 'development';

  @Setting('HOST', 'address every process listens on', SERVERS)
  @IsString()
  host = '127.0.0.1';

  @Setting(
    'ALLOWED_HOSTS',
    'names by which every process may be called besides IP addresses and `localhost`, such as `tributary.example`, `.example` (all below) or `*`; behind a reverse proxy its name',
    SERVERS,
  )
  @Transform(list)
  @Matches(/^(\*|\.?[a-z0-9_]([a-z0-9._-]{0,250}[a-z0-9_])?)$/i, {
    each: true,
    message: 'expected names such as tributary.example without ports, separated by commas',
  })
  allowedHosts: string[] = [];

  @Setting('LOG_LEVEL', '`trace`, `debug`, `info`, `warn`, `error` or `silent`', SERVERS)
  @OneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
  logLevel = 'info';

  @Setting('LOG_FORMAT', '`json` (one object a line) or `pretty`', SERVERS)
  @OneOf(['json', 'pretty'])
  logFormat: 'json' | 'pretty' = 'json';

  @Setting('REDIS_URL', 'Redis 7 or newer (or Valkey), `maxmemory-policy noeviction`', WITH_REDIS, { secret: true })
  @Matches(/^rediss?:\/\//, { message: 'expected redis://host:port or rediss://host:port' })
  redisUrl = 'redis://127.0.0.1:6379';

  @Setting('REDIS_PREFIX', 'first part of every Redis key', WITH_REDIS)
  @Matches(/^[a-z0-9-]{1,40}$/, { message: 'expected 1 to 40 of a to z, 0 to 9 and -' })
  redisPrefix = 'tributary';

  @Setting('DATABASE_URL', 'PostgreSQL 15 or newer; only apps/api needs it', ['api', 'admin'], { secret: true })
  @Matches(/^postgres(ql)?:\/\//, { message: 'expected postgres://user:password@host:port/database' })
  databaseUrl = 'postgres://postgres@127.0.0.1:5432/tributary';

  @Setting(
    'WRONG_KEYS_PER_MINUTE',
    'different wrong keys one address may try in a minute, over all processes, before it is slowed; the same wrong key ten times as often. 0 is no limit',
    WITH_KEYS,
  )
  @Bounded(0, 1_000_000)
  wrongKeysPerMinute = 60;

  @Setting(
    'TRUSTED_PROXIES',
    'addresses or networks of reverse proxies whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`; without it all their clients are one address',
    SERVERS,
  )
  @TrustedNetworks()
  trustedProxies: string[] = [];

  @Setting(
    'CREATOR_SECRET_KEY',
    '32 bytes in base64 that encrypt session cookies and proxies of creators, the same for api and ingest; part of the backup. Empty: none are taken',
    LOG,
    { secret: true },
  )
  @Matches(/^([A-Za-z0-9+/]{43}=)?$/, { message: 'expected 32 bytes in base64: openssl rand -base64 32' })
  creatorSecretKey = '';

  @Setting('PROXY_ALLOW_CIDRS', 'private networks that proxies of creators may be in, such as `10.1.0.0/16`; none by default', LOG)
  @Networks()
  proxyAllowCidrs: string[] = [];

  @Setting('PARTITIONS', 'partitions of the inbox; fixed at the first start', LOG)
  @Bounded(1, 256)
  partitions = 8;

  @Setting('INBOX_BYTES_MAX', 'bytes the whole inbox may take in Redis before it answers FULL; 0 means half of its maxmemory', LOG)
  @Bounded(0, 1_099_511_627_776)
  inboxBytesMax = 0;

  @Setting('LEASE_TTL_MS', 'a worker that is silent this long loses its creators, in ms', LOG)
  @Bounded(1_000, 120_000)
  leaseTtlMs = 10_000;

  @Setting('SIGNER_URL', 'base URL of the signer', LOG)
  @HttpUrl()
  signerUrl = 'http://127.0.0.1:3001';

  @Setting('SIGNER_KEY', 'API key with the scope `sign` that ingest sends', LOG, { secret: true })
  @IsString()
  signerKey = '';

  @Setting('TIKTOK_WEB_URL', 'where pages and the room API are asked for; the simulator in the demo', TIKTOK)
  @HttpUrl()
  tiktokWebUrl = 'https://www.tiktok.com';

  @Setting('TIKTOK_WEBCAST_URL', 'where room info and the connect bundle are asked for; the simulator in the demo', TIKTOK)
  @HttpUrl()
  tiktokWebcastUrl = 'https://webcast.tiktok.com';

  @Setting('TIKTOK_SOCKET_URL', 'WebSocket of the `anonymous` provider', TIKTOK)
  @Matches(/^wss?:\/\//, { message: 'expected ws:// or wss://' })
  tiktokSocketUrl = 'wss://webcast-ws.tiktok.com/webcast/im/ws_proxy/ws_reuse_supplement/';
}
