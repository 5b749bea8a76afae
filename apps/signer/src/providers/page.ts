import { type ConnectBundle, retryAfterMs } from '@tributary/signing';
import { readLivePage } from '@tributary/webcast';
import type { Page, Request, Response } from 'playwright-core';
import type { TabLease, TabPool } from '../browser/tab-pool.js';
import { failureOf, type Identity } from '../browser/visit.js';
import { saidInJson } from '../tiktok/im-fetch.js';
import {
  type ConnectRequest,
  type Failure,
  type FailureReason,
  isDistrust,
  type Outcome,
  reasonOfStatus,
  type SignProvider,
} from './provider.js';

export interface PageProviderOptions {
  tabs: TabPool;
  webUrl: string;
  proxy?: string;
  /** The creator of the room: a live page is opened by name. */
  ownerOf: (roomId: string, signal: AbortSignal) => Promise<string | undefined>;
}

const IM_FETCH = '/webcast/im/fetch';

/**
 * Opens the live page in a real Chromium. The bundle is the one that the page itself received in its own session. One tab per
 * creator stays open for a while; the next bundle of the room comes from its reload.
 */
export class PageProvider implements SignProvider {
  readonly name = 'page';

  constructor(private readonly options: PageProviderOptions) {}

  async connect(request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
    // The name that came with a room id is not trusted; the owner in the room's own data is.
    const uniqueId = (await this.options.ownerOf(request.roomId, signal)) ?? request.uniqueId;
    if (uniqueId === undefined) {
      return { ok: false, reason: 'unsupported', message: 'whose room it is could not be found out, and a live page is opened by name' };
    }
    return this.options.tabs.use(`live ${uniqueId}`, this.identity(request), signal, (lease) =>
      this.view(lease, uniqueId, request, signal),
    );
  }

  failed(request: ConnectRequest, reason: FailureReason): Promise<boolean> {
    return isDistrust(reason) ? this.options.tabs.forget(this.identity(request)) : Promise.resolve(false);
  }

  close(): Promise<void> {
    return this.options.tabs.close();
  }

  private async view(
    lease: TabLease,
    uniqueId: string,
    { roomId, userAgent }: ConnectRequest,
    signal: AbortSignal,
  ): Promise<Outcome<ConnectBundle>> {
    const { page, warm } = lease;
    const address = new URL(`/@${encodeURIComponent(uniqueId)}/live`, this.options.webUrl).href;
    const open = () =>
      warm ? page.reload({ waitUntil: 'domcontentloaded', timeout: 0 }) : page.goto(address, { waitUntil: 'domcontentloaded', timeout: 0 });
    const received = await receive(page, open, roomId, signal);
    if (!received.ok) return received;
    const cookies = await lease.cookies();
    if (!/^ttwid=./.test(cookies)) return { ok: false, reason: 'missing-cookie', message: 'the page has no ttwid cookie' };
    return { ok: true, value: { fetchResult: received.value, cookies, roomId, userAgent, provider: this.name } };
  }

  private identity({ userAgent, cookies }: ConnectRequest): Identity {
    return { name: this.name, userAgent, proxy: this.options.proxy, cookies };
  }
}

/** Opens the page and waits for the bundle that it receives, or for a sign that it will receive none. */
function receive(page: Page, open: () => Promise<Response | null>, roomId: string, signal: AbortSignal): Promise<Outcome<Uint8Array>> {
  return new Promise((resolve) => {
    const end = (outcome: Outcome<Uint8Array>) => {
      page.off('response', onResponse);
      page.off('requestfailed', onFailed);
      signal.removeEventListener('abort', onAbort);
      resolve(outcome);
    };
    let answered = false;
    const onResponse = (response: Response) => {
      if (answered || !isFetch(response.url())) return;
      answered = true;
      void read(response, roomId).then(end, (error: unknown) => end(failureOf(error)));
    };
    const onFailed = (request: Request) => {
      // After the answer the page may do with it what it likes.
      if (!answered && isFetch(request.url()))
        end({ ok: false, reason: 'connect', message: `the page got no bundle: ${request.failure()?.errorText ?? 'no reason'}` });
    };
    const onAbort = () => end(late());
    page.on('response', onResponse);
    page.on('requestfailed', onFailed);
    signal.addEventListener('abort', onAbort, { once: true });
    open()
      .then(async (document) => {
        const failure = await judgePage(page, document, roomId);
        if (failure) end(failure);
      })
      .catch((error: unknown) => end(signal.aborted ? late() : failureOf(error)));
  });
}

/** Why the page will receive no bundle: its status, or the creator is not live in this room. */
async function judgePage(page: Page, document: Response | null, roomId: string): Promise<Failure | undefined> {
  const status = document?.status() ?? 200;
  if (status !== 200) return withRetry(status, `the live page answered status ${status}`, document);
  const shown = readLivePage(await page.content());
  if (shown.kind === 'offline') return { ok: false, reason: 'offline', message: 'the live page says that the creator is not live' };
  if (shown.kind === 'live' && shown.roomId !== roomId)
    return { ok: false, reason: 'offline', message: 'the live page shows a newer room' };
  return undefined;
}

async function read(response: Response, roomId: string): Promise<Outcome<Uint8Array>> {
  const status = response.status();
  if (status !== 200) return withRetry(status, `the connect bundle of the page answered status ${status}`, response);
  if (new URL(response.url()).searchParams.get('room_id') !== roomId)
    return { ok: false, reason: 'offline', message: 'the live page shows a newer room' };
  try {
    const body = await response.body();
    return saidInJson(body) ?? { ok: true, value: body };
  } catch (error) {
    // Chromium keeps nothing of an answer that has no body.
    if (/No (?:data|resource)/.test((error as Error).message)) return { ok: true, value: new Uint8Array() };
    throw error;
  }
}

function withRetry(status: number, message: string, response: Response | null): Failure {
  const headers = new Headers(response?.headers());
  const retry = retryAfterMs(headers);
  return { ok: false, reason: reasonOfStatus(status), message, ...(retry === undefined ? {} : { retryAfterMs: retry }) };
}

function isFetch(address: string): boolean {
  return new URL(address).pathname.startsWith(IM_FETCH);
}

function late(): Failure {
  return { ok: false, reason: 'timeout', message: 'the page received no bundle in time' };
}
