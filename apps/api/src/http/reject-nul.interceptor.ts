import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Problem } from '@tributary/runtime';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';

/** Where a value holds U+0000, which PostgreSQL takes in no text: the path of its field. Bodies are bounded, and so is this. */
function nulIn(value: unknown, path: string): string | undefined {
  if (typeof value === 'string') return value.includes('\0') ? path : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, part] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const found = name.includes('\0') ? path || 'body' : nulIn(part, at);
    if (found) return found;
  }
  return undefined;
}

/** Refuses U+0000 in whatever a client sends, and names the field. */
@Injectable()
export class RejectNulInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    // Batches of the log are made by us.
    if (context.getType() !== 'http') return next.handle();
    const { params, query, body } = context.switchToHttp().getRequest<FastifyRequest>();
    const field = nulIn(params, '') ?? nulIn(query, '') ?? nulIn(body, '');
    if (field) throw Problem.badField(field, 'text without the character U+0000');
    return next.handle();
  }
}
