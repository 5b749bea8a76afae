import type { Envelope } from '@tributary/events';

const COLUMNS = ['position', 'id', 'type', 'time', 'receivedat', 'subject', 'creator', 'roomid', 'user_id', 'user', 'data'] as const;
/** What a spreadsheet would take for a number or a date: ids of 19 digits lose their last ones, `may1` becomes a day. */
const TEXT_COLUMNS: ReadonlySet<string> = new Set(['creator', 'roomid', 'user_id', 'user']);
/** What begins a formula, as it stands, behind spaces, or in the wide form that some keyboards type. */
const FORMULA = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/;
/** The most characters that Excel keeps in a cell; what is longer would flow over into others. */
const CELL_CHARACTERS_MAX = 32_767;
const BOM = '\ufeff';

/** How events are written: RFC 4180 for programs, or the same so that a spreadsheet shows it as it is. */
export interface CsvForm {
  spreadsheet: boolean;
}

/** The first line of a CSV export. For a spreadsheet it begins with a byte order mark, without which Excel takes UTF-8 for another encoding. */
export function csvHead({ spreadsheet }: CsvForm): string {
  return `${spreadsheet ? BOM : ''}${COLUMNS.join(',')}\r\n`;
}

/**
 * One event as a CSV line. In both forms no cell begins a formula. For a spreadsheet, ids and handles begin with an apostrophe, which makes
 * them text, and a cell that is too long for Excel is cut and ends in `...`.
 */
export function csvLine(envelope: Envelope, { spreadsheet }: CsvForm): string {
  const { user } = envelope.data as { user?: { id?: unknown; uniqueId?: unknown } | null };
  const cells: Record<(typeof COLUMNS)[number], unknown> = {
    ...envelope,
    user_id: user?.id,
    user: user?.uniqueId,
    data: JSON.stringify(envelope.data),
  };
  return `${COLUMNS.map((name) => cell(cells[name], spreadsheet, spreadsheet && TEXT_COLUMNS.has(name))).join(',')}\r\n`;
}

function cell(value: unknown, isBounded: boolean, isText: boolean): string {
  if (typeof value !== 'string' || value === '') return '';
  let text = isText || FORMULA.test(value) ? `'${value}` : value;
  if (isBounded && text.length > CELL_CHARACTERS_MAX) text = `${text.slice(0, CELL_CHARACTERS_MAX - 3)}...`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
