import { Command, type Redis } from 'ioredis';

const FIRST_BYTES = 65_536;
/** A buffer larger than this is not kept after its batch. */
const KEPT_BYTES_MAX = 4_194_304;

let scratch = Buffer.allocUnsafeSlow(FIRST_BYTES);

/** A command that is encoded already: the client's own encoding makes five strings of each argument, and lists them twice. */
class EncodedCommand extends Command {
  constructor(
    name: string,
    private readonly bytes: Buffer,
  ) {
    super(name, [], { replyEncoding: 'utf8' });
  }

  override toWritable(): Buffer {
    return this.bytes;
  }
}

/** Sends a command of many text arguments, given in parts, and resolves with its answer. */
export function sendEncoded(redis: Redis, name: string, parts: readonly (readonly string[])[]): Promise<unknown> {
  const command = new EncodedCommand(name, encode(name, parts));
  // The cast is needed because the client's type does not allow subclasses of its command.
  return redis.sendCommand(command) as Promise<unknown>;
}

/** The command in Redis' protocol. */
export function encode(name: string, parts: readonly (readonly string[])[]): Buffer {
  if (scratch.length > KEPT_BYTES_MAX) scratch = Buffer.allocUnsafeSlow(FIRST_BYTES);
  let count = 1;
  for (const part of parts) count += part.length;
  let at = writeText(writeLength(0, 42, count), name);
  for (const part of parts) for (const text of part) at = writeText(at, text);
  return Buffer.from(scratch.subarray(0, at));
}

function writeText(at: number, text: string): number {
  const bytes = Buffer.byteLength(text);
  reserve(at, bytes + 32);
  at = writeLength(at, 36, bytes);
  // As many bytes as characters: all of them are ASCII.
  at += scratch.write(text, at, bytes, bytes === text.length ? 'latin1' : 'utf8');
  scratch[at++] = 13;
  scratch[at++] = 10;
  return at;
}

/** Writes a marker, a number and the end of the line. */
function writeLength(at: number, marker: number, length: number): number {
  scratch[at++] = marker;
  let unit = 1;
  while (length >= unit * 10) unit *= 10;
  for (; unit >= 1; unit = Math.floor(unit / 10)) scratch[at++] = 48 + (Math.floor(length / unit) % 10);
  scratch[at++] = 13;
  scratch[at++] = 10;
  return at;
}

function reserve(at: number, bytes: number): void {
  if (at + bytes <= scratch.length) return;
  const grown = Buffer.allocUnsafeSlow(Math.max(scratch.length * 2, at + bytes));
  scratch.copy(grown, 0, 0, at);
  scratch = grown;
}
