import { type Envelope, type StoredEvent, toEnvelope } from '@tributary/events';
import { encodeCursor } from '@tributary/log';
import { generationAt, type GenerationStart } from '../store/generations.js';

/** The position of an event, read in the generation `read`: the same for as long as the log has it. */
export function positionOf(seq: number, history: readonly GenerationStart[], read?: number): string {
  return encodeCursor({ generation: generationAt(history, seq, read), seq });
}

/** A stored event as consumers see it. */
export function envelopeOf(event: StoredEvent, history: readonly GenerationStart[], read?: number): Envelope {
  return toEnvelope(event, positionOf(event.seq, history, read));
}

const CSV_COLUMNS = ['position', 'id', 'type', 'time', 'receivedat', 'subject', 'creator', 'roomid', 'user_id', 'user', 'data'] as const;

/** The first line of a CSV export. */
export const CSV_HEAD = `${CSV_COLUMNS.join(',')}\r\n`;

/** One event as a CSV line (RFC 4180). Free text is only inside `data`, which is JSON: no cell can start a spreadsheet formula. */
export function csvLine(envelope: Envelope): string {
  const { user } = envelope.data as { user?: { id?: unknown; uniqueId?: unknown } };
  const cells: Record<(typeof CSV_COLUMNS)[number], unknown> = {
    ...envelope,
    user_id: user?.id,
    user: user?.uniqueId,
    data: JSON.stringify(envelope.data),
  };
  return `${CSV_COLUMNS.map((name) => cell(cells[name])).join(',')}\r\n`;
}

function cell(value: unknown): string {
  if (typeof value !== 'string') return '';
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
