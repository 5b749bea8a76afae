import type { IncomingMessage } from 'node:http';

/** Query of a request; its path may begin with two slashes, which would pass for a host. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  const url = request.url ?? '/';
  const at = url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
}

/** Path of a request, with doubled slashes as one: some clients join base and path carelessly. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]?.replace(/\/{2,}/g, '/') ?? '/';
}
