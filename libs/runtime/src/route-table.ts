/** The routes of a process, to tell a path that takes other methods (405) from one that is none (404). */
export class RouteTable {
  private readonly routes: { method: string; segments: string[] }[] = [];

  /** @param url pattern of the router: `:name` takes one segment, `*` the rest */
  add(methods: string | string[], url: string): void {
    for (const method of [methods].flat()) this.routes.push({ method, segments: url.split('/') });
  }

  /** Methods that a path takes; empty when no route has it. */
  methodsOf(url: string): string[] {
    const segments = (url.split('?')[0] ?? '').split('/');
    return [...new Set(this.routes.filter((route) => matches(route.segments, segments)).map(({ method }) => method))].sort();
  }
}

function matches(pattern: string[], segments: string[]): boolean {
  // A route for every path is how the framework answers 404.
  if (pattern.includes('*')) return false;
  return (
    pattern.length === segments.length && pattern.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]))
  );
}
