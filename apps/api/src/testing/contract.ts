import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { answerOf, type ApiDocument, apiDocument, type OperationDescription } from './api-document.js';

/** What any request may meet before a route is reached: they are described by `default`. */
const ALWAYS = new Set([
  'method-not-allowed',
  'malformed-request',
  'malformed-body',
  'body-too-large',
  'path-too-long',
  'headers-too-large',
  'unsupported-media-type',
]);

/** Tests store events with less data than real ones have; the catalog's own tests hold data against its schemas. */
const ANY_EVENT = {
  allOf: [
    { $ref: '#/components/schemas/EventEnvelope' },
    { type: 'object', required: ['type', 'data'], properties: { type: { type: 'string' }, data: { type: 'object' } } },
  ],
};

/** Holds answers of the API against its description: the route, the status, the code, and every field. */
export class Contract {
  private static made: Promise<Contract> | undefined;
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true });
  private readonly validators = new Map<string, ValidateFunction>();
  private readonly routes: { method: string; path: string; pattern: RegExp; operation: OperationDescription }[];

  private constructor(private readonly document: ApiDocument) {
    formats.default(this.ajv);
    const { schemas } = document.components;
    const components = { ...document.components, schemas: { ...schemas, Event: ANY_EVENT } };
    this.ajv.addSchema({ $id: 'api', ...(closed({ ...document, components }) as object) });
    this.routes = Object.entries(document.paths)
      .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ method, path, operation })))
      .map(({ path, ...rest }) => ({ path, pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`), ...rest }))
      // `/creators/batch` before `/creators/{creator}`
      .sort((a, b) => a.path.split('{').length - b.path.split('{').length);
  }

  static get(): Promise<Contract> {
    return (Contract.made ??= apiDocument().then((document) => new Contract(document)));
  }

  /**
   * What of an answer is not as described; empty when all of it is, or when no route of the API was asked.
   * @param body parsed where it is JSON
   */
  faults(method: string, address: string, status: number, contentType: string, body: unknown): string[] {
    const path = address.split('?')[0]!;
    const route = this.routes.find((known) => known.method === method.toLowerCase() && known.pattern.test(path));
    const code = (body as { code?: string } | null)?.code ?? '';
    if (!route)
      return path.startsWith('/v1/') && status < 400 && method !== 'OPTIONS' && method !== 'HEAD' ? ['the route is not described'] : [];
    if (status >= 400 && ALWAYS.has(code)) return [];
    const declared = route.operation.responses[String(status)];
    if (!declared) return [`the status ${status} ${code} is not described`];
    const answer = answerOf(this.document, declared);
    const type = contentType.split(';')[0]!.trim();
    if (!answer.content) return body === '' || body === null ? [] : ['a body is not described'];
    if (!answer.content[type]) return [`the type ${type || 'none'} is not described`];
    if (!type.endsWith('json') || type.endsWith('ndjson')) return [];
    const at = declared.$ref ?? `#/paths/${pointer(route.path)}/${route.method}/responses/${status}`;
    const validate = this.validator(`${at}/content/${pointer(type)}/schema`);
    if (validate(body)) return [];
    return [
      ...new Set(
        (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`),
      ),
    ].slice(0, 8);
  }

  private validator(at: string): ValidateFunction {
    let validate = this.validators.get(at);
    if (!validate) this.validators.set(at, (validate = this.ajv.compile({ $ref: `api${at}` })));
    return validate;
  }
}

const pointer = (part: string) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));

/** The same schemas, in which an object has no field but those that are described. Parts of a composition stay open. */
function closed(node: unknown, isPart = false): unknown {
  if (Array.isArray(node)) return node.map((one) => closed(one, isPart));
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === 'enum' || key === 'const' || key === 'example' ? value : closed(value, key === 'allOf'),
    ]),
  );
  const isObject = copy.type === 'object' && typeof copy.properties === 'object';
  // An envelope is always a part of its type's schema; what it refers to is open too.
  if (isObject && !isPart && copy.additionalProperties === undefined && !('specversion' in (copy.properties as object)))
    copy.additionalProperties = false;
  return copy;
}
