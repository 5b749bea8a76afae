/** The API as the page uses it. What may be asked and what is answered is in routes.d.ts. */

/** @import { Problem } from './answers.js' */
/** @import { Routes } from './routes.js' */

const ANSWER_MS_MAX = 15_000;

/** An answer that is no success; `status` 0 when there was none. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Problem} [problem] what the API says of it
   */
  constructor(status, message, problem) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

export class Api {
  /** @param {string} key */
  constructor(key) {
    this.key = key;
  }

  /**
   * Asks one route, such as `GET /v1/webhooks/{id}`, and gives its JSON; undefined where the answer has none.
   * @template {keyof Routes} R
   * @param {R} route
   * @param {Routes[R]['asked']} asked
   * @returns {Promise<Routes[R]['answer']>}
   * @throws {ApiError}
   */
  async call(route, asked) {
    const { path, query, header, body } = /** @type {Asked} */ (asked);
    const [method = 'GET', template = ''] = route.split(' ');
    let response;
    try {
      response = await fetch(addressOf(template, path, query), {
        method,
        headers: { authorization: `Bearer ${this.key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...header },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
        cache: 'no-store',
      });
    } catch {
      throw new ApiError(0, 'The API does not answer.');
    }
    const text = await response.text();
    const json = text && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined;
    if (response.ok) return json;
    const problem = /** @type {Problem | undefined} */ (json);
    throw new ApiError(response.status, problem?.detail ?? `The API answered ${response.status}.`, problem);
  }
}

/**
 * What a call may ask for, whatever its route.
 * @typedef {{
 *   path?: Record<string, string>,
 *   query?: Record<string, Parameter | undefined>,
 *   header?: Record<string, string>,
 *   body?: unknown,
 * }} Asked
 * @typedef {string | number | boolean | string[]} Parameter
 */

/**
 * The address of a route: `{names}` of its path and its query filled in, each encoded; a list is joined by commas.
 * @param {string} template such as `/v1/webhooks/{id}`
 * @param {Asked['path']} path
 * @param {Asked['query']} query what is undefined or empty is left out
 * @throws {Error} for a name of the path that is not given
 */
export function addressOf(template, path = {}, query = {}) {
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, /** @type {string} */ name) => {
    const value = path[name];
    if (value === undefined) throw new Error(`${template}: "${name}" is not given`);
    return encodeURIComponent(value);
  });
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${encodeURIComponent(String(value))}`],
  );
  return parts.length > 0 ? `${filled}?${parts.join('&')}` : filled;
}
