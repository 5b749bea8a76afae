import { readFile } from 'node:fs/promises';
import { bytesOf, numberOf, readFields } from '../wire/protobuf.js';

/** One recorded message: its wire name, its protobuf bytes, and the id inside. */
export interface RecordedPayload {
  method: string;
  payload: Buffer;
  /** Decimal; absent where the payload holds none. */
  msgId?: string;
}

/** Thrown for a file that is not a recording; never quotes what is in it. */
export class RecordedFileError extends Error {
  override name = 'RecordedFileError';
}

/**
 * Reads a recording, `{wireName: [{eventData: base64 protobuf, uniqueId, ts}]}`, into one list ordered by `ts`.
 * @throws RecordedFileError that names what is wrong and where, without any content.
 */
export async function readRecordedFile(path: string): Promise<RecordedPayload[]> {
  const text = await readFile(path, 'utf8');
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new RecordedFileError('the file is not JSON');
  }
  if (content === null || typeof content !== 'object' || Array.isArray(content))
    throw new RecordedFileError('the file is not an object of wire names');
  const rows: { ts: string; payload: RecordedPayload }[] = [];
  for (const [method, events] of Object.entries(content)) {
    if (!Array.isArray(events)) throw new RecordedFileError(`${method}: expected a list`);
    for (const [index, event] of (events as unknown[]).entries()) {
      const { eventData, ts } = (event ?? {}) as { eventData?: unknown; ts?: unknown };
      if (typeof eventData !== 'string' || typeof ts !== 'string')
        throw new RecordedFileError(`${method}[${index}]: expected eventData and ts as text`);
      const payload = Buffer.from(eventData, 'base64');
      rows.push({ ts: ts.replace(/Z$/, ''), payload: { method, payload, msgId: messageIdOf(payload) } });
    }
  }
  // ISO times of different precision compare as text; equal ones keep the order of the file.
  rows.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0));
  return rows.map(({ payload }) => payload);
}

/** The msgId inside a payload (`common` is field 1, its `msgId` field 2), or undefined where there is none. */
export function messageIdOf(payload: Buffer): string | undefined {
  const fields = readFields(payload);
  const common = fields && bytesOf(fields, 1);
  const commonFields = common && readFields(common);
  const id = commonFields && numberOf(commonFields, 2);
  return id === undefined || id === 0n ? undefined : id.toString();
}
