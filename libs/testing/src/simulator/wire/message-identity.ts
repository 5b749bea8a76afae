import type { Method } from './methods.js';
import type { WireWriter } from './protobuf.js';

/** Identity of one message: what its `common` says. */
export interface MessageIdentity {
  /** `CommonMessageData.roomId` as an encoded field 3. */
  roomField: Buffer;
  high: number;
  low: number;
  /** ms; 0 is what TikTok sends with captions and live intros. */
  createTime: number;
}

/** Writes `common` (field 1 of every message) with this identity. */
export function writeCommon(writer: WireWriter, method: Method, identity: MessageIdentity, displayText?: Buffer): void {
  const start = writer.open(1);
  writer.raw(method.nameField).int64(2, identity.high, identity.low).raw(identity.roomField).int(4, identity.createTime).int(6, 1);
  if (displayText) writer.bytes(8, displayText);
  if (identity.createTime > 0) writer.int(25, identity.createTime);
  writer.close(start);
}

/**
 * msgId number `n` of a creator: seconds in the upper half (up to 2 s old, so ids do not rise in arrival order), a
 * permutation of n in the lower, so that no two are equal.
 */
export function messageId(n: number, salt: number, now: number): { high: number; low: number } {
  const low = (Math.imul(n, 0x9e37_79b1) + salt) >>> 0;
  return { high: Math.floor(now / 1000) - (low % 3), low };
}

/** A room or message id whose upper half is the second it was made in. */
export function snowflake(now: number, low: number): string {
  return ((BigInt(Math.floor(now / 1000)) << 32n) | BigInt(low >>> 0)).toString();
}
