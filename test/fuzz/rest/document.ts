/** A JSON Schema, as far as values are made from it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  format?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  example?: unknown;
}

export interface Operation {
  route: string;
  method: string;
  path: string;
  operationId: string;
  parameters: { name: string; in: 'path' | 'query' | 'header'; schema: Schema }[];
  body: Schema | undefined;
  /** Statuses that are described. */
  statuses: ReadonlySet<number>;
}

interface Document {
  paths: Record<
    string,
    Record<
      string,
      {
        operationId?: string;
        parameters?: { name: string; in: 'path' | 'query' | 'header'; schema?: Schema }[];
        requestBody?: { content: Record<string, { schema: Schema }> };
        responses: Record<string, object>;
      }
    >
  >;
  components: { schemas: Record<string, Schema> };
}

/** The API's own description: its operations, and the schemas that they refer to. */
export class ApiDescription {
  readonly operations: readonly Operation[];

  private constructor(private readonly document: Document) {
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId = '', parameters = [], requestBody, responses }]) => ({
        route: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        operationId,
        parameters: parameters.map((one) => ({ name: one.name, in: one.in, schema: one.schema ?? {} })),
        body: requestBody?.content['application/json']?.schema,
        statuses: new Set(Object.keys(responses).map(Number)),
      })),
    );
  }

  /** Asks a running API. @throws Error when it has no operations */
  static async of(url: string): Promise<ApiDescription> {
    const answer = await fetch(`${url}/openapi.json`);
    const description = new ApiDescription((await answer.json()) as Document);
    if (description.operations.length === 0) throw new Error('the description of the API has no operations');
    return description;
  }

  /** The schema that a reference stands for. */
  resolved(schema: Schema): Schema {
    const name = schema.$ref?.split('/').at(-1);
    return name === undefined ? schema : this.resolved(this.document.components.schemas[name] ?? {});
  }
}
