import { readRetryAfter } from '@tributary/runtime/retry-after';
import type { IncomingMessage } from 'node:http';

/** Why the server refused the upgrade, from its status and `Handshake-Msg`. */
export type Refusal = 'device-blocked' | 'bad-signature' | 'rate-limited' | 'forbidden' | 'server-error' | 'other';

/** How a connect ended. A failed one has delivered nothing, and `onClose` is not called for it. */
export type ConnectResult =
  | { ok: true }
  | { ok: false; reason: 'refused'; refusal: Refusal; status: number; message: string; retryAfterMs?: number }
  | {
      ok: false;
      /** `unreachable`: network, TLS or proxy. `protocol`: what answered is not a WebSocket server. */
      reason: 'timeout' | 'unreachable' | 'protocol' | 'bad-bundle' | 'forbidden-host' | 'aborted';
      message: string;
    };

/** A connect that failed. */
export type SocketFailure = Extract<ConnectResult, { ok: false }>;

/**
 * How an open connection ended. `disconnect`: the server or the network ended it; `refused`: the server closed it as a
 * policy violation (1008); `unreadable`: too many of its frames could not be read; `protocol`: a frame was too large or broken as WebSocket, or the server read nothing;
 * `silence` and `closed-by-us`: the caller closed it.
 */
export type EndReason = 'disconnect' | 'refused' | 'protocol' | 'unreadable' | 'silence' | 'closed-by-us';

/** The end of a connection that was open. */
export interface ConnectionEnd {
  reason: EndReason;
  /** WebSocket close code; 1006 when there was no close frame. */
  code: number;
  message: string;
  durationMs: number;
  /** ms since 1970 of the last message before frames that could not be read; absent where all were, or nearly all. */
  unreadSince?: number;
}

const MESSAGE_LENGTH_MAX = 200;
/** A date has 29 characters. */

/** The failure that a refused upgrade describes. TikTok gives its reason in `Handshake-Msg`, often with status 200. */
export function refusalOf(response: IncomingMessage): SocketFailure {
  const status = response.statusCode ?? 0;
  const serverMessage = String(response.headers['handshake-msg'] ?? '').slice(0, MESSAGE_LENGTH_MAX);
  const retryAfterMs = readRetryAfter(response.headers['retry-after']);
  return {
    ok: false,
    reason: 'refused',
    refusal: kindOf(status, serverMessage),
    status,
    message: serverMessage === '' ? `the server answered ${status} instead of opening a WebSocket` : `the server refused: ${serverMessage}`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function kindOf(status: number, serverMessage: string): Refusal {
  if (/DEVICE_BLOCKED/i.test(serverMessage)) return 'device-blocked';
  if (/illegal|secret|sign/i.test(serverMessage)) return 'bad-signature';
  if (status === 429) return 'rate-limited';
  if (status === 401 || status === 403) return 'forbidden';
  return status >= 500 ? 'server-error' : 'other';
}
