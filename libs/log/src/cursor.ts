/** A position in the log: `seq` of the last event seen, within one generation of the database. */
export interface Position {
  generation: number;
  seq: number;
  /** From a list in descending order: "before this". A live reader cannot continue there and refuses it. */
  descending?: boolean;
}

const VERSION = 1;
/** Set in the version byte of a cursor of a descending list. */
const DESCENDING = 0x80;
const BYTES = 13;
/** One buffer for all: a cursor is encoded for every event that leaves the process. */
const scratch = Buffer.alloc(BYTES);

/** Encodes a position as the one opaque cursor of REST, live streams and webhook replays (base64url, 18 characters). */
export function encodeCursor({ generation, seq, descending }: Position): string {
  scratch.writeUInt8(descending ? VERSION | DESCENDING : VERSION, 0);
  scratch.writeUInt32BE(generation, 1);
  scratch.writeUInt32BE(Math.floor(seq / 2 ** 32), 5);
  scratch.writeUInt32BE(seq % 2 ** 32, 9);
  return scratch.toString('base64url');
}

/** Reads a cursor; undefined when the text is not one. Cursors are exclusive: "after this", or "before this" where `descending`. */
export function decodeCursor(text: string): Position | undefined {
  if (!/^[A-Za-z0-9_-]{18}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== BYTES || bytes.toString('base64url') !== text) return undefined;
  const first = bytes.readUInt8(0);
  if ((first & ~DESCENDING) !== VERSION) return undefined;
  const seq = bytes.readBigUInt64BE(5);
  if (seq > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { generation: bytes.readUInt32BE(1), seq: Number(seq), ...(first & DESCENDING ? { descending: true } : {}) };
}
