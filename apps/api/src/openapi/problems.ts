import { PROBLEM_TYPES, type ProblemCode } from '@tributary/runtime';

/** RFC 9457, with what is ours: `code`, `requestId`, `errors`. */
export const PROBLEM_SCHEMA = {
  type: 'object',
  description: 'RFC 9457. Some codes have members of their own, such as `neededScope`.',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  additionalProperties: true,
  properties: {
    type: { type: 'string', format: 'uri-reference', description: '`/problems/<code>`: what it means, and what helps' },
    code: { type: 'string', enum: Object.keys(PROBLEM_TYPES), description: 'stable: programs may rely on it' },
    requestId: { type: 'string', description: 'as in the header `X-Request-Id`; the log of the server has it beside a failure' },
    title: { type: 'string', description: 'the same for every problem of this code' },
    status: { type: 'integer', description: 'the HTTP status' },
    detail: { type: 'string', description: 'what is wrong with this request' },
    errors: {
      type: 'array',
      description: 'each bad field, and what was expected there',
      items: {
        type: 'object',
        required: ['field', 'expected'],
        properties: {
          field: { type: 'string', description: 'the parameter, or the path inside the body', example: 'options.types' },
          expected: { type: 'string', description: 'what is allowed there' },
        },
      },
    },
  },
};

/** Headers of answers, by their names in the components. */
export const HEADERS = {
  'X-Request-Id': { description: 'id of this request, as in the log of the server', schema: { type: 'string' } },
  'RateLimit-Limit': { description: 'requests that this key may make in a minute', schema: { type: 'integer' } },
  'RateLimit-Remaining': { description: 'how many of them are left now', schema: { type: 'integer' } },
  'RateLimit-Reset': { description: 'seconds until all of them are there again', schema: { type: 'integer' } },
  'Retry-After': { description: 'seconds after which to ask again', schema: { type: 'integer' } },
};
type HeaderName = keyof typeof HEADERS;

/** References to headers of the components. */
export const headerRefs = (...names: HeaderName[]): Record<string, { $ref: string }> =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** A response object of the document. */
export interface ProblemResponse {
  description: string;
  headers: Record<string, { $ref: string }>;
  content: object;
}

/**
 * The error answers of one route: a reference for each status, to a response of the components that names its codes.
 * @param responses the components; what is missing there is added
 */
export function problemResponses(
  codes: readonly ProblemCode[],
  responses: Record<string, ProblemResponse>,
): Record<string, { $ref: string }> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of Object.keys(PROBLEM_TYPES) as ProblemCode[]) {
    if (!codes.includes(code)) continue;
    const { status } = PROBLEM_TYPES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, those]) => {
      const name = those.join('.');
      responses[name] ??= problemResponse(status, those);
      return [String(status), { $ref: `#/components/responses/${name}` }];
    }),
  );
}

function problemResponse(status: number, codes: ProblemCode[]): ProblemResponse {
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEM_TYPES[code].title}.`).join(' '),
    headers: headerRefs('X-Request-Id', ...(status === 429 || status === 503 ? (['Retry-After'] as const) : [])),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { type: 'object', properties: { status: { const: status }, code: { type: 'string', enum: codes } } },
          ],
        },
      },
    },
  };
}
