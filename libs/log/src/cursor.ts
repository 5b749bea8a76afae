/** A position in the log: `seq` of the last event seen, within one generation of the database. */
export interface Position {
  generation: number;
  seq: number;
}

const VERSION = 1;
const BYTES = 13;

/** Encodes a position as the one opaque cursor of REST, SSE, WebSocket and webhook replay (base64url, 18 characters). */
export function encodeCursor({ generation, seq }: Position): string {
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt32BE(generation, 1);
  bytes.writeBigUInt64BE(BigInt(seq), 5);
  return bytes.toString('base64url');
}

/** Reads a cursor; undefined when the text is not one. Cursors are exclusive: "after this". */
export function decodeCursor(text: string): Position | undefined {
  if (!/^[A-Za-z0-9_-]{18}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== BYTES || bytes.readUInt8(0) !== VERSION || bytes.toString('base64url') !== text) return undefined;
  const seq = bytes.readBigUInt64BE(5);
  return seq <= BigInt(Number.MAX_SAFE_INTEGER) ? { generation: bytes.readUInt32BE(1), seq: Number(seq) } : undefined;
}
