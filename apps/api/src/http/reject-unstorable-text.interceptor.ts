import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Problem } from '@tributary/runtime';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';

/** What PostgreSQL does not take: U+0000 in no text, and half of a surrogate pair in no jsonb. */
const UNSTORABLE = /[\0\p{Cs}]/u;

/** Where a value holds such a character: the path of its field. Bodies are bounded, and so is this. */
function unstorableIn(value: unknown, path: string): string | undefined {
  if (typeof value === 'string') return UNSTORABLE.test(value) ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, part] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const found = UNSTORABLE.test(name) ? path || 'body' : unstorableIn(part, at);
    if (found) return found;
  }
  return undefined;
}

/** Refuses text that could not be stored in whatever a client sends, and names the field. */
@Injectable()
export class RejectUnstorableTextInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    // Batches of the log are made by us.
    if (context.getType() !== 'http') return next.handle();
    const { params, query, body } = context.switchToHttp().getRequest<FastifyRequest>();
    const field = unstorableIn(params, '') ?? unstorableIn(query, '') ?? unstorableIn(body, '');
    if (field) throw Problem.badField(field, 'text without the character U+0000 and without half of a surrogate pair');
    return next.handle();
  }
}
