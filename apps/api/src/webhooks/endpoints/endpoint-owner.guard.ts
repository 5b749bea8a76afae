import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { allows, type KeyRecord } from '@tributary/runtime';
import { requestOf } from '../../access/needs.js';
import { EndpointStore } from './endpoint-store.js';
import { unknownEndpoint } from './endpoint-view.js';

/** Whose endpoints a caller may see and change: its own; undefined: everybody's. */
export function visibleTo(caller: KeyRecord): string | undefined {
  return allows(caller, 'admin') ? undefined : caller.id;
}

/**
 * Lets a caller at the endpoint that the path names, before any handler: one of somebody else is answered as one that there is not.
 * A new route below `/v1/webhooks/:id` is held by it too.
 */
@Injectable()
export class EndpointOwner implements CanActivate {
  constructor(private readonly endpoints: EndpointStore) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { params, apiKey } = requestOf(context);
    const { id } = params as { id?: string };
    if (!apiKey) throw new Error('this route has no guard');
    // U+0000, which PostgreSQL takes in no text, is refused further on.
    if (id === undefined || id.includes('\0')) return true;
    if (!(await this.endpoints.exists(id, visibleTo(apiKey)))) throw unknownEndpoint(id);
    return true;
  }
}
