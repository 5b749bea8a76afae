import { CliError } from '../servers/cli-error.mjs';

/** A thin caller of the running API with its key. */
export class Client {
  /**
   * @param {string} address
   * @param {string} key
   */
  constructor(address, key) {
    this.address = address;
    this.key = key;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<{ status: number, body: any }>}
   * @throws CliError when the API does not answer
   */
  async ask(method, path, body) {
    let response;
    try {
      response = await fetch(`${this.address}${path}`, {
        method,
        headers: { authorization: `Bearer ${this.key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(30_000),
      });
    } catch (error) {
      throw new CliError(`${method} ${this.address}${path} was not answered: ${reason(error)}`);
    }
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text };
  }

  /**
   * Reads the live stream until `signal` ends it or the server does.
   * @param {{ query: URLSearchParams, cursor?: string, signal: AbortSignal }} request
   * @returns {AsyncGenerator<{ id?: string, event?: string, data: string }>}
   */
  async *stream({ query, cursor, signal }) {
    const response = await fetch(`${this.address}/v1/stream?${query.toString()}`, {
      headers: { authorization: `Bearer ${this.key}`, accept: 'text/event-stream', ...(cursor ? { 'last-event-id': cursor } : {}) },
      signal,
    });
    if (!response.ok || !response.body) {
      const text = await response.text();
      let detail = text.slice(0, 200);
      try {
        detail = JSON.parse(text).detail ?? detail;
      } catch {
        // no problem document: the text itself says it
      }
      throw new Refused(response.status, detail);
    }
    yield* serverSentEvents(response.body.pipeThrough(new TextDecoderStream()));
  }
}

/** The stream was refused; trying again helps for 429 and 5xx alone. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   */
  constructor(status, detail) {
    super(`${status} ${detail}`);
    this.status = status;
  }
}

/** @param {unknown} error */
export function reason(error) {
  const { message, cause } = /** @type {Error} */ (error);
  return cause instanceof Error ? `${message} (${cause.message || /** @type {NodeJS.ErrnoException} */ (cause).code})` : message;
}

/**
 * Parses `text/event-stream` (WHATWG HTML, section 9.2.6).
 * @param {AsyncIterable<string>} chunks
 */
async function* serverSentEvents(chunks) {
  let rest = '';
  /** @type {{ id?: string, event?: string, data: string }} */
  let current = { data: '' };
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (current.data !== '') yield { ...current, data: current.data.slice(0, -1) };
        current = { data: '' };
        continue;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (field === 'data') current.data += `${value}\n`;
      if (field === 'id') current.id = value;
      if (field === 'event') current.event = value;
    }
  }
}
