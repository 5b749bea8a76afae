import 'reflect-metadata';
import { Transform } from 'class-transformer';
import { IsObject, IsString, Matches } from 'class-validator';
import { SharedSettings } from './shared-settings.js';
import { Bounded, BoundedDecimal, HttpUrl, json, list, Networks, Origins, Port, Setting, SomeOf, YesOrNo } from './setting-rules.js';

const API = ['api'] as const;
const INGEST = ['ingest'] as const;
const SIGNER = ['signer'] as const;
const SIMULATOR = ['simulator'] as const;

/** Every setting of every process, with its default. One instance is made at start and passed down. */
export class Config extends SharedSettings {
  @Setting(
    'DATABASE_POOL_MAX',
    'connections one api process opens to PostgreSQL for plain requests, which take turns by key: two are kept for the process itself, and one key has half of the others at most; the store role and webhooks open up to 8 each beside them',
    API,
  )
  @Bounded(2, 200)
  databasePoolMax = 10;

  @Setting('DATABASE_SEARCHES_MAX', 'further connections of one api process for searches, exports and live readers that catch up', API)
  @Bounded(1, 50)
  databaseSearchesMax = 4;

  @Setting('API_PORT', 'REST, SSE and dashboard', API)
  @Port()
  apiPort = 3000;

  @Setting('SIGNER_PORT', 'sign API', SIGNER)
  @Port()
  signerPort = 3001;

  @Setting('INGEST_PORT', 'health and metrics of a worker', INGEST)
  @Port()
  ingestPort = 3002;

  @Setting('SIMULATOR_PORT', 'the simulated TikTok and its control API', SIMULATOR)
  @Port()
  simulatorPort = 3003;

  @Setting('API_ROLES', 'what this api process does: `http`, `store`, `webhooks`', API)
  @SomeOf(['http', 'store', 'webhooks'])
  apiRoles: string[] = ['http', 'store', 'webhooks'];

  @Setting('API_RATE_PER_MINUTE', 'requests one key may make in a minute, over all api processes', API)
  @Bounded(1, 10_000_000)
  apiRatePerMinute = 6_000;

  @Setting(
    'API_ORIGINS',
    'web origins whose pages may call the API with a key of their own, such as `https://example.org`; empty: none but the dashboard',
    API,
  )
  @Origins()
  apiOrigins: string[] = [];

  @Setting('STREAMS_PER_KEY_MAX', 'live streams one key may have open, over all api processes', API)
  @Bounded(1, 100_000)
  streamsPerKeyMax = 50;

  @Setting('WEBHOOK_SECRET_KEY', '32 bytes in base64 that encrypt the secrets of webhooks; part of the backup. Empty: no webhooks', API, {
    secret: true,
  })
  @Matches(/^([A-Za-z0-9+/]{43}=)?$/, { message: 'expected 32 bytes in base64: openssl rand -base64 32' })
  webhookSecretKey = '';

  @Setting('WEBHOOK_ALLOW_CIDRS', 'private networks that webhooks may reach, such as `10.1.0.0/16`; none by default', API)
  @Networks()
  webhookAllowCidrs: string[] = [];

  @Setting('WEBHOOK_ORIGIN', 'name by which webhooks introduce themselves when they ask a receiver for its consent', API)
  @Matches(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i, { message: 'expected a host name such as tributary.example' })
  webhookOrigin = 'tributary.localhost';

  @Setting('WEBHOOK_ENDPOINTS_PER_KEY_MAX', 'webhook endpoints one key may have', API)
  @Bounded(1, 100_000)
  webhookEndpointsPerKeyMax = 1_000;

  @Setting('WEBHOOK_SENDS_MAX', 'webhook requests one api process has on the wire at a time', API)
  @Bounded(1, 20_000)
  webhookSendsMax = 1_000;

  @Setting('WEBHOOK_RETENTION_HOURS', 'hours that finished webhook deliveries are kept, with their attempts', API)
  @Bounded(1, 87_600)
  webhookRetentionHours = 72;

  @Setting('INBOX_KEEP_MS', 'how long stored events stay in the inbox for outside readers, in ms', API)
  @Bounded(0, 86_400_000)
  inboxKeepMs = 600_000;

  @Setting('FEED_LENGTH', 'batches kept in the feed; a live reader further behind reads PostgreSQL', API)
  @Bounded(10, 1_000_000)
  feedLength = 2_000;

  @Setting('RETENTION_DAYS', 'days that events are kept; 0 keeps them for ever', API)
  @Bounded(0, 36_500)
  retentionDays = 30;

  @Setting(
    'SESSION_RETENTION_DAYS',
    'days that the counts of a session are kept after its last event, without its viewers; 0 keeps them for ever',
    API,
  )
  @Bounded(0, 36_500)
  sessionRetentionDays = 400;

  @Setting('STORE_RAW', 'keep the raw protobuf of every event', INGEST)
  @YesOrNo()
  storeRaw = false;

  @Setting('WORKER_ID', 'name of this ingest worker; made from host and process id when empty', INGEST)
  @Matches(/^[A-Za-z0-9._-]{0,64}$/, { message: 'expected at most 64 letters, digits, dots, _ and -' })
  workerId = '';

  @Setting('WORKER_CAPACITY', 'creators one worker holds at most', INGEST)
  @Bounded(1, 100_000)
  workerCapacity = 2_000;

  @Setting('FLUSH_MS', 'longest wait before a batch is appended, in ms', INGEST)
  @Bounded(0, 1_000)
  flushMs = 5;

  @Setting('RETAIN_BYTES_MAX', 'bytes of unconfirmed events a worker keeps in memory', INGEST)
  @Bounded(1_048_576, 8_589_934_592)
  retainBytesMax = 67_108_864;

  @Setting('SPOOL_DIR', 'folder for events that Redis does not take; several workers may share it. Empty: memory only', INGEST)
  @IsString()
  spoolDir = '';

  @Setting('SPOOL_BYTES_MAX', 'bytes one worker keeps there at most; 0 is none', INGEST)
  @Bounded(0, 1_099_511_627_776)
  spoolBytesMax = 1_073_741_824;

  @Setting(
    'POLL_MS',
    'how often an offline creator is checked, in ms, with jitter; from half of it in its usual hours to 8 times it when long offline',
    INGEST,
  )
  @Bounded(100, 3_600_000)
  pollMs = 60_000;

  @Setting(
    'POLLS_PER_SECOND',
    'requests about liveness one worker makes at most in a second through each address (its own, and each proxy); TikTok blocks an address that asks too often',
    INGEST,
  )
  @Bounded(1, 10_000)
  pollsPerSecond = 5;

  @Setting('SILENCE_MS', 'a connection without a message for this long is taken for dead and replaced, in ms', INGEST)
  @Bounded(1_000, 3_600_000)
  silenceMs = 60_000;

  @Setting('SIGN_PER_MINUTE', 'sign calls one worker makes at most in a minute', INGEST)
  @Bounded(1, 100_000)
  signPerMinute = 600;

  @Setting(
    'SIGN_PROVIDERS',
    'providers of the signer in the order they are tried: `page`, `page-sign`, `anonymous`, `remote`, `simulator`; the first two need Chromium',
    SIGNER,
  )
  @SomeOf(['page', 'page-sign', 'anonymous', 'remote', 'simulator'])
  signProviders: string[] = ['anonymous'];

  @Setting(
    'SIGN_PROVIDER_OPTIONS',
    'JSON by provider: `{"page": {"timeoutMs": 8000, "concurrency": 4, "proxy": "http://..", "userAgent": ".."}}`, each member optional',
    SIGNER,
    { secret: true },
  )
  @Transform(json)
  @IsObject({ message: 'expected a JSON object with providers as members, such as {"page": {"timeoutMs": 8000}}' })
  signProviderOptions: Record<string, unknown> = {};

  @Setting(
    'SIGN_SHADOW',
    'provider to run beside the serving one for a share of requests, never served, as `name:share`, such as `page:0.05`',
    SIGNER,
  )
  @Matches(/^$|^[a-z-]{2,20}:(0?\.\d{1,4}|1|0)$/, { message: 'expected name:share with a share from 0 to 1, such as page:0.05' })
  signShadow = '';

  @Setting('SIGN_BUDGET_MS', 'time one sign request may take over all providers, in ms', SIGNER)
  @Bounded(100, 120_000)
  signBudgetMs = 10_000;

  @Setting('SIGN_TIMEOUT_MS', 'time one provider may take for one request before the next is tried, in ms', SIGNER)
  @Bounded(50, 60_000)
  signTimeoutMs = 4_000;

  @Setting(
    'SIGN_SHARE_MS',
    'how long equal connect requests share one bundle, in ms (a bundle lives about 30 s); 0 gives each request a bundle of its own',
    SIGNER,
  )
  @Bounded(0, 20_000)
  signShareMs = 2_000;

  @Setting('SIGN_ROOM_CACHE_MS', "how long a creator's room id and liveness are remembered by the signer, in ms", SIGNER)
  @Bounded(0, 300_000)
  signRoomCacheMs = 5_000;

  @Setting(
    'SIGN_VISITOR_CACHE_MS',
    "how long the signer uses one visitor's cookies (`ttwid`) for many bundles, in ms; 0 takes new ones each time",
    SIGNER,
  )
  @Bounded(0, 86_400_000)
  signVisitorCacheMs = 3_600_000;

  @Setting('SIGN_PER_KEY_MINUTE', 'sign requests one key may make in a minute, over all signers; 0 is no limit', SIGNER)
  @Bounded(0, 1_000_000_000)
  signPerKeyMinute = 0;

  @Setting('SIGN_PER_KEY_HOUR', 'the same for an hour', SIGNER)
  @Bounded(0, 1_000_000_000)
  signPerKeyHour = 0;

  @Setting('SIGN_PER_KEY_DAY', 'the same for a day', SIGNER)
  @Bounded(0, 1_000_000_000)
  signPerKeyDay = 0;

  @Setting('SIGN_KEY_LIMITS', 'limits of single keys in place of these, as `key id=minute/hour/day`, several with commas between', SIGNER)
  @Transform(list)
  @Matches(/^[\w-]{1,64}=\d{1,9}\/\d{1,9}\/\d{1,9}$/, { each: true, message: 'expected entries such as key_1a2b=60/1000/10000' })
  signKeyLimits: string[] = [];

  @Setting(
    'SIGN_TOKEN_SECRET',
    'secret that signs short-lived tokens for browsers, the same on all signers; production mints none without it',
    SIGNER,
    { secret: true },
  )
  @Matches(/^$|^[\x21-\x7e]{32,512}$/, { message: 'expected 32 to 512 printable characters of ASCII, without spaces' })
  signTokenSecret = '';

  @Setting('SIGN_ORIGINS', 'web origins whose pages may call the signer with such a token, such as `https://example.org`', SIGNER)
  @Origins()
  signOrigins: string[] = [];

  @Setting('CHROMIUM_PATH', 'Chromium of the providers `page` and `page-sign`', SIGNER)
  @IsString()
  chromiumPath = '/usr/bin/chromium';

  @Setting('CHROMIUM_HEADLESS', 'false shows its windows: TikTok trusts a browser on a display more than a headless one', SIGNER)
  @YesOrNo()
  chromiumHeadless = true;

  @Setting('CHROMIUM_SANDBOX', "Chromium's own sandbox; root, and most containers, cannot use it", SIGNER)
  @YesOrNo()
  chromiumSandbox = true;

  @Setting('SIGN_TABS_MAX', 'browser tabs the signer has open at most', SIGNER)
  @Bounded(1, 200)
  signTabsMax = 8;

  @Setting('SIGN_TAB_IDLE_MS', 'how long an unused tab is kept warm, in ms', SIGNER)
  @Bounded(0, 3_600_000)
  signTabIdleMs = 120_000;

  @Setting('SIGN_USER_AGENT', 'user agent of bundles whose client names none', SIGNER)
  @Matches(/^[\x20-\x7e]{10,512}$/, { message: 'expected 10 to 512 printable characters of ASCII' })
  signUserAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36';

  @Setting('REMOTE_SIGN_URL', 'base URL of the `remote` provider', SIGNER)
  @HttpUrl()
  remoteSignUrl = 'https://api.eulerstream.com';

  @Setting('REMOTE_SIGN_KEY', 'API key of the `remote` provider', SIGNER, { secret: true })
  @IsString()
  remoteSignKey = '';

  @Setting('REMOTE_SIGN_SESSIONS', 'whether session cookies that a client sends may go on to the `remote` provider', SIGNER)
  @YesOrNo()
  remoteSignSessions = false;

  @Setting('SIMULATOR_ROOMS', 'rooms the simulator opens by itself at start; 0 for none', SIMULATOR)
  @Bounded(0, 5_000)
  simulatorRooms = 6;

  @Setting('SIMULATOR_RATE', 'messages a second in each of these rooms, as a multiple of a moderate room (about 4/s)', SIMULATOR)
  @BoundedDecimal(0, 1_000)
  simulatorRate = 1;

  @Setting('SIMULATOR_KEY', 'what the simulator derives its sessions from, so that they outlive a restart; random when empty', SIMULATOR, {
    secret: true,
  })
  @IsString()
  simulatorKey = '';
}
