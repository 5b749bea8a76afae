/** One kind of problem, for clients and for the page of its code in the docs. */
interface ProblemType {
  /** HTTP status of every answer with this code. */
  status: number;
  /** Short and the same each time (RFC 9457, `title`). */
  title: string;
  /** What the client can do. */
  remedy: string;
}

/**
 * Every problem that an API answers, by its stable code (RFC 9457: `type` is `/problems/<code>`). A program may rely on a code;
 * texts may change.
 */
export const PROBLEM_TYPES = {
  'invalid-field': {
    status: 400,
    title: 'A field is wrong',
    remedy: '`errors` names each field and what is expected there. Correct them and ask again.',
  },
  'malformed-body': {
    status: 400,
    title: 'The body cannot be read',
    remedy: 'Send one JSON document, nested at most 32 deep, without the keys `__proto__` and `constructor`.',
  },
  'malformed-request': {
    status: 400,
    title: 'The request cannot be read',
    remedy: 'The address or a header is malformed, such as a `%` that begins no percent-encoding.',
  },
  unauthorized: {
    status: 401,
    title: 'No valid key',
    remedy: 'Send a key that is in force as `Authorization: Bearer <key>` or `x-api-key`.',
  },
  'missing-scope': {
    status: 403,
    title: 'The key may not do this',
    remedy: '`neededScope` names the scope that is missing. Ask an administrator for a key that has it.',
  },
  forbidden: { status: 403, title: 'Not allowed', remedy: '`detail` says why. Asking again gives the same answer.' },
  'not-found': { status: 404, title: 'There is no such thing', remedy: 'Check the id, or the path: `/openapi.json` lists all of them.' },
  'method-not-allowed': {
    status: 405,
    title: 'The path takes other methods',
    remedy: 'The header `Allow` lists the methods that this path takes.',
  },
  'request-timeout': { status: 408, title: 'The request took too long to arrive', remedy: 'Send the request faster, or in smaller parts.' },
  conflict: {
    status: 409,
    title: 'The state of the thing does not allow it',
    remedy: '`detail` says which state stands in the way. Change that first.',
  },
  'limit-reached': {
    status: 409,
    title: 'There are as many as there may be',
    remedy: 'Remove some, or ask the operator for a higher limit.',
  },
  'position-expired': {
    status: 410,
    title: 'Events after this position are no longer kept',
    remedy: 'Start again without a cursor. What came in between cannot be given any more.',
  },
  'position-restored': {
    status: 410,
    title: 'The position belongs to a state of the log that is gone',
    remedy: 'The database was restored from a backup or made anew. Start again without a cursor, or by time (`since`).',
  },
  'body-too-large': { status: 413, title: 'The body is too large', remedy: 'Send less at once: a batch takes up to 1 MiB.' },
  'path-too-long': { status: 414, title: 'The path is too long', remedy: 'An id in a path has at most 512 characters.' },
  'unsupported-media-type': {
    status: 415,
    title: 'The type of the body is not supported',
    remedy: 'Send `content-type: application/json`.',
  },
  'host-not-allowed': {
    status: 421,
    title: 'The server is not known by this name',
    remedy: 'Call it by its IP address or `localhost`, or ask the operator to add the name to `ALLOWED_HOSTS`.',
  },
  unprocessable: {
    status: 422,
    title: 'The request is understood, and cannot be done',
    remedy: '`detail` says what stands in the way.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The Idempotency-Key belongs to another request',
    remedy: 'Use a new Idempotency-Key for each new request, and the same one only to repeat it.',
  },
  'rate-limited': { status: 429, title: 'Too many requests', remedy: 'Wait as long as `Retry-After` says, in seconds.' },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    remedy: 'The address and all headers of a request have at most 16 KiB.',
  },
  internal: {
    status: 500,
    title: 'The server failed',
    remedy: 'This is a fault of the server. Its log has the reason beside the `requestId` of the answer.',
  },
  unsupported: {
    status: 501,
    title: 'This server does not do this',
    remedy: '`detail` says which setting or provider it would need.',
  },
  unavailable: {
    status: 503,
    title: 'Something that this needs does not answer now',
    remedy: 'Ask again after `Retry-After` seconds. Nothing was changed.',
  },
  overloaded: {
    status: 503,
    title: 'Too much is waiting here now',
    remedy: 'Ask again after `Retry-After` seconds, or ask for less. Nothing was changed.',
  },
  'turned-off': {
    status: 503,
    title: 'This part is turned off',
    remedy: 'The operator turns it on by the setting that `setting` names.',
  },
} as const satisfies Record<string, ProblemType>;

/** A stable code of a problem. */
export type ProblemCode = keyof typeof PROBLEM_TYPES;

/** The code of an expected failure that only has a status, such as one of the HTTP framework; undefined for none. */
export function codeOfStatus(status: number): ProblemCode | undefined {
  const plain: Partial<Record<number, ProblemCode>> = {
    400: 'malformed-request',
    401: 'unauthorized',
    403: 'forbidden',
    404: 'not-found',
    405: 'method-not-allowed',
    408: 'request-timeout',
    409: 'conflict',
    413: 'body-too-large',
    414: 'path-too-long',
    415: 'unsupported-media-type',
    422: 'unprocessable',
    429: 'rate-limited',
    431: 'headers-too-large',
    501: 'unsupported',
    503: 'unavailable',
  };
  return plain[status];
}
