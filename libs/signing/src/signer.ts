/** The data that opens a connection to a room. The user agent, the cookies and the parameters inside `fetchResult` belong together. */
export interface ConnectBundle {
  /** Encoded `ProtoMessageFetchResult`: cursor, internalExt, pushServer, routeParams and the first messages. */
  fetchResult: Uint8Array;
  /** Cookies of the socket as `name=value; name=value`, `ttwid` first. */
  cookies: string;
  /** The room the bundle is for; it may differ from the one that was asked for. */
  roomId: string;
  /** The user agent that the bundle was made with and that the socket must send. */
  userAgent: string;
  /** Name of the provider that made it. */
  provider: string;
}

/** Why there is no bundle. `offline` is an answer about the creator; all other reasons are about the signer. */
export type SignFailureReason = 'offline' | 'rate-limited' | 'blocked' | 'premium' | 'unavailable' | 'timeout' | 'bad-answer';

/** What exactly was wrong with an answer whose status was 200. */
export type AnswerFault = 'empty-body' | 'empty-cursor' | 'missing-cookie' | 'undecodable' | 'too-large';

export interface SignFailure {
  ok: false;
  reason: SignFailureReason;
  message: string;
  /** How long to wait before asking again, where the signer names it. */
  retryAfterMs?: number;
  /** HTTP status, where there was an answer. */
  status?: number;
  /** Set with `bad-answer`. */
  fault?: AnswerFault;
}

export type BundleResult = { ok: true; bundle: ConnectBundle } | SignFailure;

/** A creator's room. `live: false` may still carry the id of an earlier room. */
export type RoomIdResult =
  | { ok: true; live: boolean; roomId?: string; source?: string }
  | (Omit<SignFailure, 'reason' | 'fault'> & { reason: SignFailureReason | 'not-found' });

/** Which room to open. Without a room id the signer resolves `uniqueId` itself. */
export interface BundleQuery {
  roomId: string;
  uniqueId?: string;
  cursor?: string;
  /** Session cookies of a logged-in account (`name=value; ...`), for this one request. */
  cookies?: string;
  /** The user agent the bundle is to be made for; the signer's own choice without one. */
  userAgent?: string;
  /** Asks for a fresh bundle of a new visitor, because TikTok's socket refused the last one. */
  fresh?: boolean;
}

/** Makes connect bundles. Expected failures are results; nothing is thrown. */
export interface Signer {
  fetchBundle(query: BundleQuery, signal: AbortSignal): Promise<BundleResult>;
  roomId(uniqueId: string, signal: AbortSignal): Promise<RoomIdResult>;
}
