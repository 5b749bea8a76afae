// A client of the API in about a hundred lines. All of its types come from the API's own description:
//   npx openapi-typescript http://127.0.0.1:3000/openapi.json -o api.ts
import type { components, paths } from './api.js';

type Method = 'get' | 'post' | 'patch' | 'delete';
type Has<P extends keyof paths, M extends Method> = [Exclude<paths[P][M], undefined>] extends [never] ? never : `${Uppercase<M>} ${P}`;

/** Every route of the API, such as `GET /v1/creators/{creator}`. */
export type Route = { [P in keyof paths]: { [M in Method]: Has<P, M> }[Method] }[keyof paths];

type Operation<R extends Route> = R extends `${infer M} ${infer P extends keyof paths}`
  ? Lowercase<M> extends Method
    ? Exclude<paths[P][Lowercase<M>], undefined>
    : never
  : never;
type Body<O> = O extends { requestBody: { content: { 'application/json': infer B } } }
  ? { body: B }
  : O extends { requestBody?: { content: { 'application/json': infer B } } }
    ? { body?: B }
    : { body?: never };
type Parameters<O> = O extends { parameters: infer P } ? Omit<P, 'cookie'> : never;
type Content<A> = A extends { content: infer C } ? ([C] extends [undefined] ? undefined : C[keyof C]) : undefined;
type Answers<O> = O extends { responses: infer A } ? A : never;

/** What a route takes: its parameters by their place, and its body. */
export type Asked<R extends Route> = Parameters<Operation<R>> & Body<Operation<R>>;
/** What a route answers when it succeeds. */
export type Answer<R extends Route> = Content<Answers<Operation<R>>[keyof Answers<Operation<R>> & (200 | 201 | 202 | 204)]>;

/** An event of the catalog: `type` decides the shape of `data`. */
export type Event = components['schemas']['Event'];
export type Problem = components['schemas']['Problem'];

/** A refusal of the API. `problem.code` is stable; `problem.errors` names each bad field. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

type Loose = { path?: Record<string, string>; query?: Record<string, unknown>; header?: Record<string, string>; body?: unknown };

export class Client {
  constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  /**
   * Asks one route.
   * @returns the answer's JSON; its text where it is none, undefined where there is none
   * @throws ApiError for every answer but a success
   */
  async call<R extends Route>(route: R, asked: Asked<R>): Promise<Answer<R>> {
    const response = await this.send(route, asked as Loose);
    const text = await response.text();
    if (text === '') return undefined as Answer<R>;
    return (response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text) as Answer<R>;
  }

  /** Live events that match, until the server ends the stream or `signal` is aborted. */
  async *events(query: Asked<'GET /v1/stream'>['query'], signal?: AbortSignal): AsyncGenerator<Event> {
    const response = await this.send('GET /v1/stream', { query }, signal);
    let buffer = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const frames = (buffer + chunk).split('\n\n');
      buffer = frames.pop() ?? '';
      for (const frame of frames) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(frame)?.[1];
        // `hello`, `position` and `closed` are of the stream itself; an event's type has a dot.
        if (field('event')?.includes('.')) yield JSON.parse(field('data')!) as Event;
      }
    }
  }

  private async send(route: Route, { path = {}, query = {}, header = {}, body }: Loose, signal?: AbortSignal): Promise<Response> {
    const [method, template] = route.split(' ') as [string, string];
    const address = new URL(
      template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name]!)),
      this.url,
    );
    for (const [name, value] of Object.entries(query)) {
      for (const one of [value].flat()) if (one !== undefined) address.searchParams.append(name, String(one));
    }
    const response = await fetch(address, {
      method,
      headers: { authorization: `Bearer ${this.key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...header },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    if (!response.ok) throw new ApiError((await response.json()) as Problem);
    return response;
  }
}
