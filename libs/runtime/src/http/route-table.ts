/** One route of a process. `pattern` is that of the router: `:name` takes one segment, `*` the rest. */
export interface Route {
  method: string;
  pattern: string;
}

/** The routes of a process, to tell a path that takes other methods (405) from one that is none (404), and to list them. */
export class RouteTable {
  private readonly routes: (Route & { segments: string[] })[] = [];

  /** @param mergesSlashes whether the router takes `//path` for `/path` */
  constructor(private readonly mergesSlashes = false) {}

  /** @param pattern as the router takes it */
  add(methods: string | string[], pattern: string): void {
    for (const method of [methods].flat()) this.routes.push({ method, pattern, segments: pattern.split('/') });
  }

  /** Every route once, in the order in which they were made. */
  list(): Route[] {
    return [...new Map(this.routes.map(({ method, pattern }) => [`${method} ${pattern}`, { method, pattern }])).values()];
  }

  /** Methods that a path takes; empty when no route has it. Routes with `*` do not count: they answer what is not known. */
  methodsOf(url: string): string[] {
    const path = url.split('?', 1)[0] ?? '';
    const segments = (this.mergesSlashes ? path.replace(/\/{2,}/g, '/') : path).split('/');
    return [...new Set(this.routes.filter((route) => matches(route.segments, segments)).map(({ method }) => method))].sort();
  }
}

function matches(pattern: string[], segments: string[]): boolean {
  if (pattern.includes('*')) return false;
  return (
    pattern.length === segments.length && pattern.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]))
  );
}
