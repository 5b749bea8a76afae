import { ProtoMessageFetchResult } from 'tiktok-live-proto/v3';
import { HttpSigner, type HttpSignerOptions } from './http-signer.js';
import type { SignFailure } from './signer.js';

/** What client libraries hand to a `signedWebSocketProvider`. Either a room id or a handle is needed. */
export interface SignedWebSocketParams {
  uniqueId?: string | null;
  roomId?: string | null;
  preferredAgentIds?: string[];
  sessionId?: string;
  ttTargetIdc?: string;
  cursor?: string;
}

/** How to open the socket: `wsUrl?wsParams`, with `wsHeaders`. Also what the option `signedWebSocketProvider` of client 2.1 returns. */
export interface SignedWebSocket {
  wsUrl: string;
  wsParams: Record<string, string>;
  /** Cookie and user agent that belong to these parameters. */
  wsHeaders: { Cookie: string; 'User-Agent': string };
  roomId: string;
  cursor: string;
  internalExt: string;
  provider: string;
  /** Always empty: what a bundle brings of the room's past is not decoded here. */
  messages: [];
}

/** The signer refused or could not be reached; `failure` says which. */
export class LocalSigningError extends Error {
  override name = 'LocalSigningError';
  constructor(readonly failure: SignFailure) {
    super(failure.message);
  }
}

/** Signs through a signer of one's own in place of Euler Stream. */
export class LocalSigningProvider {
  private readonly signer: HttpSigner;

  /** `serverUrl` is the signer's address, with or without the `/api` that older scripts append. */
  constructor(serverUrl: string, options: Omit<HttpSignerOptions, 'url'> = {}) {
    this.signer = new HttpSigner({ ...options, url: serverUrl.replace(/(?<!\/)\/+$/, '').replace(/\/api$/, '') });
  }

  /**
   * Everything needed to open the socket of a creator's room.
   * @throws LocalSigningError when the creator is offline or the signer gives no bundle; TypeError without a room id and a handle.
   */
  async signedWebSocketProvider(params: SignedWebSocketParams, signal = new AbortController().signal): Promise<SignedWebSocket> {
    const { uniqueId, roomId, cursor, sessionId, ttTargetIdc } = params;
    if (!uniqueId && !roomId) throw new TypeError('uniqueId or roomId: expected one of them');
    const session = sessionId ? `sessionid=${sessionId}${ttTargetIdc ? `; tt-target-idc=${ttTargetIdc}` : ''}` : undefined;
    const result = await this.signer.fetchBundle(
      { roomId: roomId ?? '', uniqueId: uniqueId ?? undefined, cursor, ...(session ? { cookies: session } : {}) },
      signal,
    );
    if (!result.ok) throw new LocalSigningError(result);
    const { bundle } = result;
    const { cursor: next, internalExt, pushServer, routeParams } = ProtoMessageFetchResult.decode(bundle.fetchResult);
    const given = Object.fromEntries(Object.entries(routeParams).filter(([, value]) => value !== ''));
    return {
      wsUrl: pushServer,
      wsParams: {
        compress: 'gzip',
        room_id: bundle.roomId,
        internal_ext: internalExt,
        cursor: next,
        ...(uniqueId ? { unique_id: uniqueId } : {}),
        ...given,
      },
      wsHeaders: { Cookie: bundle.cookies, 'User-Agent': bundle.userAgent },
      roomId: bundle.roomId,
      cursor: next,
      internalExt,
      provider: bundle.provider,
      messages: [],
    };
  }
}
