import { paint, plain, width } from '../terminal.mjs';

const LINE_CHARS_MAX = 16_384;
/** Time and name before each text. */
const HEAD_CHARS = 19;
/** @type {Record<string, Parameters<typeof paint>[0]>} */
const COLOURS = { tributary: 'bold', simulator: 'magenta', signer: 'yellow', ingest: 'green', api: 'blue' };

/**
 * One line for the person at the terminal: `12:00:01 ingest     message key=value`.
 * @param {string} name who says it
 * @param {string} text
 * @param {Date} [time]
 */
export function printLine(name, text, time = new Date()) {
  const head = `${paint('dim', time.toTimeString().slice(0, 8))} ${paint(COLOURS[name] ?? 'cyan', name.padEnd(9))}`;
  process.stdout.write(`${head} ${text}\n`);
}

/**
 * Takes the bytes that a process writes and prints them line by line, its JSON log lines made readable.
 * @param {string} name
 * @param {NodeJS.ReadableStream} stream
 * @param {(line: LogLine) => void} [onLine]
 */
export function printStream(name, stream, onLine) {
  let rest = '';
  const take = (/** @type {string} */ text) => {
    if (text.trim() === '') return;
    const line = parseLine(text);
    onLine?.(line);
    printLine(name, show(line), line.time);
  };
  stream.setEncoding('utf8');
  stream.on('data', (/** @type {string} */ chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line.slice(0, LINE_CHARS_MAX));
    // A line without an end must not grow for ever.
    if (rest.length > LINE_CHARS_MAX) {
      take(rest.slice(0, LINE_CHARS_MAX));
      rest = '';
    }
  });
  stream.on('end', () => take(rest));
}

/**
 * @typedef {{ level: number, time?: Date, text: string, fields: [string, unknown][], stack?: string }} LogLine
 */

/**
 * Reads one line of pino's JSON; anything else is taken as it is.
 * @param {string} text
 * @returns {LogLine}
 */
export function parseLine(text) {
  if (!text.startsWith('{')) return { level: 30, text, fields: [] };
  try {
    const { level, time, msg, name: _name, pid: _pid, hostname: _hostname, v: _v, err, ...fields } = JSON.parse(text);
    const message = [msg, err?.message].filter(Boolean).join(': ');
    return { level: Number(level) || 30, time: new Date(time), text: message, fields: Object.entries(fields), stack: err?.stack };
  } catch {
    return { level: 30, text, fields: [] };
  }
}

/**
 * A warning or an error whole; what is only told, cut to the width of the terminal.
 * @param {LogLine} line
 */
export function show({ level, text, fields, stack }) {
  const mark = level >= 50 ? `${paint('red', 'ERROR')} ` : level >= 40 ? `${paint('yellow', 'WARN')} ` : '';
  let room = level >= 40 ? Infinity : width() - HEAD_CHARS - text.length;
  let values = '';
  for (const [name, value] of fields) {
    const shown = showValue(value);
    room -= name.length + shown.length + 2;
    if (room < 2) {
      values += ' …';
      break;
    }
    values += ` ${paint('dim', `${name}=`)}${shown}`;
  }
  const trace = stack && level >= 50 ? paint('dim', `\n${stack.split('\n').slice(1).join('\n')}`) : '';
  return `${mark}${plain(text)}${values}${trace}`;
}

/** @param {unknown} value */
function showValue(value) {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return plain(typeof value === 'string' && /[\s"=]|^$/.test(text) ? JSON.stringify(text) : text);
}
