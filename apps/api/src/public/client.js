/** The API as the page uses it: requests, and one multiplexed live stream read by fetch. */

/** An answer that is no success; `status` 0 when there was none. */
export class ApiError extends Error {
  constructor(status, message, problem) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

export class Api {
  constructor(key) {
    this.key = key;
  }

  /** Sends a request and gives its JSON. @throws {ApiError} */
  async call(method, path, body, headers = {}) {
    let response;
    try {
      response = await fetch(path, {
        method,
        headers: { authorization: `Bearer ${this.key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(15_000),
        cache: 'no-store',
      });
    } catch {
      throw new ApiError(0, 'The API does not answer.');
    }
    const text = await response.text();
    const json = text && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined;
    if (!response.ok) throw new ApiError(response.status, json?.detail ?? `The API answered ${response.status}.`, json);
    return json;
  }
}

/**
 * Reads the newest events of these types, oldest first, and the position after which a live stream goes on: nothing is lost
 * between the two, and nothing comes twice. A list in descending order has no such position, so that what came meanwhile is
 * read on from its newest event. Without one the position is undefined: there is nothing that a stream could repeat.
 */
export async function readPast(api, types, limit) {
  const query = `/v1/events?type=${types.join()}`;
  const newest = await api.call('GET', `${query}&order=desc&limit=${limit}`);
  const events = newest.data.reverse();
  let position = events.at(-1)?.position;
  for (let more = position !== undefined; more;) {
    const page = await api.call('GET', `${query}&limit=1000&cursor=${encodeURIComponent(position)}`);
    events.push(...page.data);
    position = page.next;
    more = page.more;
  }
  return { events, position };
}

/** A server that says nothing for this long, heartbeats included, is taken for gone. */
const SILENCE_MS = 40_000;
const RETRY_MS_MAX = 15_000;

/** The live stream: reconnects with backoff and goes on where it was, by the position of the last event. */
export class LiveFeed {
  /**
   * @param {string} key
   * @param {{onEvent: (event: object) => void, onState: (state: 'connecting' | 'open' | 'waiting' | 'refused', detail?: string) => void, onGap: () => void}} handlers
   */
  constructor(key, handlers) {
    this.key = key;
    this.handlers = handlers;
    this.position = undefined;
    this.stopped = false;
  }

  /** Where the stream begins; at the newest event when undefined. Say it before {@link run}. */
  startAfter(position) {
    this.position = position;
  }

  stop() {
    this.stopped = true;
    this.abort?.abort();
    this.wake?.();
  }

  /** Tries at once instead of waiting on: the browser is online again, or the tab is looked at. */
  hurry() {
    this.wake?.();
  }

  async run() {
    for (let failures = 0; !this.stopped;) {
      this.handlers.onState('connecting');
      const outcome = await this.connect();
      if (this.stopped) return;
      if (outcome === 'refused') {
        this.handlers.onState('refused');
        return;
      }
      failures = outcome === 'opened' ? 0 : failures + 1;
      const ms = Math.min(RETRY_MS_MAX, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
      await this.wait(ms);
    }
  }

  async connect() {
    this.abort = new AbortController();
    let opened = false;
    let watchdog;
    const rearm = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => this.abort.abort(), SILENCE_MS);
    };
    try {
      rearm();
      const response = await fetch('/v1/stream', {
        headers: { authorization: `Bearer ${this.key}`, ...(this.position ? { 'last-event-id': this.position } : {}) },
        signal: this.abort.signal,
        cache: 'no-store',
      });
      if (response.status === 401 || response.status === 403) return 'refused';
      if (!response.ok) return 'failed';
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        rearm();
        const frames = (rest + value).split('\n\n');
        rest = frames.pop();
        for (const frame of frames) if (this.take(frame)) opened = true;
      }
    } catch {
      // a broken connection: what was missed comes after the position
    } finally {
      clearTimeout(watchdog);
    }
    return opened ? 'opened' : 'failed';
  }

  /** Takes one frame; true for the greeting. */
  take(frame) {
    let id;
    let type = 'message';
    let data = '';
    for (const line of frame.split('\n')) {
      if (line.startsWith('id: ')) id = line.slice(4);
      else if (line.startsWith('event: ')) type = line.slice(7);
      else if (line.startsWith('data: ')) data = line.slice(6);
    }
    if (id) this.position = id;
    if (type === 'hello') {
      if (!JSON.parse(data).recovered) this.handlers.onGap();
      this.handlers.onState('open');
      return true;
    }
    if (type.includes('.')) this.handlers.onEvent(JSON.parse(data));
    return false;
  }

  /** Waits, counting down aloud. */
  async wait(ms) {
    const until = Date.now() + ms;
    let hurried = false;
    this.wake = () => {
      hurried = true;
    };
    while (!this.stopped && !hurried && Date.now() < until) {
      this.handlers.onState('waiting', `${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(250, Math.max(0, until - Date.now()))));
    }
  }
}
