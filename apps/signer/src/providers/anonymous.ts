import type { ConnectBundle } from '@tributary/signing';
import { browserParams } from '@tributary/webcast';
import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import type { Visitors } from '../tiktok/visitor.js';
import type { ConnectRequest, Outcome, SignProvider } from './provider.js';

export interface AnonymousProviderOptions {
  visitors: Visitors;
  /** The socket that accepts a viewer without a signature. */
  socketUrl: string;
}

/** Heartbeat that this socket expects, in ms. */
const HEARTBEAT_MS = 10_000;

/**
 * Connects without any signature: a `ttwid` cookie from the front page, and a bundle made here that leads straight to the
 * socket (`ws_direct=1`), which enters the room by its own parameters.
 */
export class AnonymousProvider implements SignProvider {
  readonly name = 'anonymous';

  constructor(private readonly options: AnonymousProviderOptions) {}

  async connect(request: ConnectRequest, signal: AbortSignal): Promise<Outcome<ConnectBundle>> {
    const cookies = await this.options.visitors.cookies(request, signal);
    if (!cookies.ok) return cookies;
    const { roomId, userAgent } = request;
    return {
      ok: true,
      value: { fetchResult: this.fetchResult(request, Date.now()), cookies: cookies.value, roomId, userAgent, provider: this.name },
    };
  }

  close(): Promise<void> {
    return this.options.visitors.close();
  }

  private fetchResult({ roomId, userAgent, cursor }: ConnectRequest, now: number): Uint8Array {
    const socket = new URL(this.options.socketUrl);
    const routeParams = {
      aid: '1988',
      app_name: 'tiktok_web',
      device_platform: 'web',
      version_code: '180800',
      ...browserParams(userAgent),
      browser_online: 'true',
      cookie_enabled: 'true',
      client_enter: '1',
      compress: 'gzip',
      did_rule: '3',
      heartbeat_duration: String(HEARTBEAT_MS),
      identity: 'audience',
      live_id: '12',
      room_id: roomId,
      update_version_code: '2.0.0',
      ws_direct: '1',
      ...Object.fromEntries(socket.searchParams),
    };
    return ProtoMessageFetchResult.encode({
      messages: [],
      // Clients refuse an empty cursor. This one says "from now on": nothing has been read yet.
      cursor: cursor || `t-${now}_r-1_d-1_u-1_h-1`,
      fetchInterval: '1000',
      now: String(now),
      internalExt: '',
      fetchType: 0,
      routeParams,
      heartbeatDuration: String(HEARTBEAT_MS),
      needAck: true,
      pushServer: `${socket.origin}${socket.pathname}`,
      isFirst: true,
      historyCommentCursor: '',
      historyNoMore: false,
    }).finish();
  }
}
