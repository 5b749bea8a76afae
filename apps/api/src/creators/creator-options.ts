import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { type CreatorOptions, hasSecrets, openSecrets, sealSecret } from '@tributary/creators';
import { Config, SecretBox } from '@tributary/runtime';
import { HIDDEN, readProxy } from '@tributary/webcast';
import { IsBoolean, IsString, MaxLength } from 'class-validator';
import type pg from 'pg';
import { POOL } from '../resources.js';
import { AreEventTypes, IfPresent } from '../http/validators.js';
import { ProxyGuard } from './proxy-guard.js';

/** A session of TikTok's web site is about 3 KB of cookies. */
const COOKIE_LENGTH_MAX = 8_192;
const PROXY_LENGTH_MAX = 1_024;
const SETTING = 'CREATOR_SECRET_KEY';

/** Options of a creator as a client gives them. */
export class CreatorOptionsBody {
  @ApiPropertyOptional({ description: 'keep the raw protobuf of its messages' })
  @IfPresent()
  @IsBoolean()
  raw?: boolean;

  @ApiPropertyOptional({ type: [String], description: 'event types to keep, `tiktok.live.chat` or `tiktok.live.*`; all when absent' })
  @IfPresent()
  @AreEventTypes()
  types?: string[];

  @ApiPropertyOptional({
    oneOf: [
      { type: 'string', maxLength: COOKIE_LENGTH_MAX, writeOnly: true },
      { type: 'boolean', enum: [true] },
    ],
    description:
      'session cookies of an account that is logged in, as `sessionid=..; tt-target-idc=..`: for its connections alone. Write-only, kept encrypted; shown as true, and true keeps the one that is there',
    example: 'sessionid=0123456789abcdef; tt-target-idc=useast1a',
  })
  @IfPresent()
  sessionCookie?: string | boolean;

  @ApiPropertyOptional({
    maxLength: PROXY_LENGTH_MAX,
    description:
      'proxy of its polls and its socket, `http://` or `https://` with CONNECT (no SOCKS). Kept encrypted, shown without user and password; as shown it keeps the one that is there',
    example: 'http://user:password@proxy.example:8080',
  })
  @IfPresent()
  @IsString()
  @MaxLength(PROXY_LENGTH_MAX, { message: `proxy must be at most ${PROXY_LENGTH_MAX} characters` })
  proxy?: string;
}

/** What is wrong with options, and where. `expected` never repeats what was given: it may be a secret. */
export interface OptionProblem {
  field: string;
  expected: string;
}

/** Options that are fit to be kept once the creator's id is known. */
export interface NewOptions {
  plain: CreatorOptions;
  secrets: { sessionCookie?: string; proxy?: { url: string; shown: string } };
}

/** Reads, seals and checks what creators are monitored with. */
@Injectable()
export class CreatorOptionsKeeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly box: SecretBox | undefined;

  constructor(
    config: Config,
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly guard: ProxyGuard,
  ) {
    this.box = config.creatorSecretKey === '' ? undefined : new SecretBox(config.creatorSecretKey, SETTING);
  }

  /** @throws Error when the database holds secrets that the configured key does not open. */
  async onApplicationBootstrap(): Promise<void> {
    const { rows } = await this.pool.query<{ id: string; options: CreatorOptions }>(
      `select id, options from creators where deleted_at is null and options ?| array['sessionCookie', 'proxy'] limit 1`,
    );
    const opened = rows[0] && openSecrets(this.box, rows[0]);
    if (opened && !opened.ok) throw new Error(`${opened.message}; set the key that it was encrypted with (it belongs in the backup)`);
  }

  onModuleDestroy(): void {
    this.guard.close();
  }

  /**
   * What {@link read} gave, once it is known where a new proxy leads. A name that nobody resolves now is taken: a worker
   * judges it when it connects.
   */
  async judged(options: NewOptions | OptionProblem): Promise<NewOptions | OptionProblem> {
    if ('field' in options || !options.secrets.proxy) return options;
    const url = new URL(options.secrets.proxy.url);
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    const verdict = await this.guard.check({ hostname: url.hostname.replace(/^\[|\]$/g, ''), port });
    if (verdict.kind === 'open' || verdict.category === 'dns') return options;
    return problem('proxy', 'a proxy on a public address; the operator can open private networks with PROXY_ALLOW_CIDRS');
  }

  /**
   * Options as they can be kept, or what is wrong with them.
   * @param before those that are there: what is shown of a secret stands for it
   */
  read(body: CreatorOptionsBody | undefined, before: CreatorOptions = {}): NewOptions | OptionProblem {
    const plain: CreatorOptions = {
      ...(body?.raw === undefined ? {} : { raw: body.raw }),
      ...(body?.types === undefined ? {} : { types: [...new Set(body.types)] }),
    };
    const secrets: NewOptions['secrets'] = {};
    if (body?.sessionCookie === true) {
      if (before.sessionCookie === undefined) return problem('sessionCookie', 'cookies as text: there are none yet that true could keep');
      plain.sessionCookie = before.sessionCookie;
    } else if (body?.sessionCookie !== undefined) {
      const cookie = readCookie(body.sessionCookie);
      if (cookie === undefined)
        return problem(
          'sessionCookie',
          `cookies such as sessionid=..; tt-target-idc=.., printable, ${COOKIE_LENGTH_MAX} characters at most`,
        );
      secrets.sessionCookie = cookie;
    }
    if (body?.proxy !== undefined && body.proxy === before.proxy?.shown) plain.proxy = before.proxy;
    else if (body?.proxy !== undefined) {
      const proxy = readProxy(body.proxy);
      if (!proxy.ok) return problem('proxy', proxy.reason);
      if (new URL(proxy.url).username === HIDDEN)
        return problem('proxy', 'user and password in clear: this is not the proxy that is there');
      secrets.proxy = { url: proxy.url, shown: proxy.shown };
    }
    const [secret] = Object.keys(secrets);
    if (secret !== undefined && !this.box)
      return problem(secret, `to be left out: ${SETTING} is not set here, so it cannot be kept encrypted`);
    return { plain, secrets };
  }

  /** What is stored of them for the creator `id`. */
  seal(id: string, { plain, secrets }: NewOptions): CreatorOptions {
    const { sessionCookie, proxy } = secrets;
    const sealed = (name: 'sessionCookie' | 'proxy', text: string) => {
      if (!this.box) throw new Error(`${SETTING} is not set`);
      return sealSecret(this.box, id, name, text);
    };
    return {
      ...plain,
      ...(sessionCookie === undefined ? {} : { sessionCookie: sealed('sessionCookie', sessionCookie) }),
      ...(proxy === undefined ? {} : { proxy: { sealed: sealed('proxy', proxy.url), shown: proxy.shown } }),
    };
  }
}

/** Options as they are shown. */
export interface ShownOptions {
  raw?: boolean;
  types?: string[];
  sessionCookie?: true;
  proxy?: string;
}

/** Nothing of it is a secret. */
export function shownOptions(options: CreatorOptions): ShownOptions {
  if (!hasSecrets(options)) return options as ShownOptions;
  const { sessionCookie, proxy, ...rest } = options;
  return { ...rest, ...(sessionCookie === undefined ? {} : { sessionCookie: true }), ...(proxy ? { proxy: proxy.shown } : {}) };
}

/** A Cookie header value of `name=value` pairs; a bare session id becomes one. Undefined when it is neither. */
function readCookie(given: string | boolean): string | undefined {
  if (typeof given !== 'string' || given.length > COOKIE_LENGTH_MAX) return undefined;
  const text = given.trim();
  if (/^[0-9a-f]{32}$/.test(text)) return `sessionid=${text}`;
  const pairs = text
    .split(';')
    .map((pair) => pair.trim())
    .filter(Boolean);
  // Names as RFC 6265 has them; values without what could end the pair or the header.
  const isPair = (pair: string) => /^[\w!#$%&'*+.^`|~-]+=[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/.test(pair);
  return pairs.length > 0 && pairs.every(isPair) ? pairs.join('; ') : undefined;
}

function problem(field: string, expected: string): OptionProblem {
  return { field: `options.${field}`, expected };
}
