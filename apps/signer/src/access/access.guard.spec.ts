import { Controller } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it } from '@jest/globals';
import type { Access } from './access.js';
import { AccessGuard } from './access.guard.js';

@Controller()
class Routes {
  handle(): void {}
}

describe('the access guard', () => {
  it.each(['rpc', 'ws', 'graphql'])('refuses a call by %s, which nobody admits', (type) => {
    let admitted = 0;
    const access = { admit: () => (admitted += 1) > 0 } as unknown as Access;
    const guard = new AccessGuard(new Reflector(), access);
    const context = new ExecutionContextHost([{ headers: {} }, {}], Routes, Routes.prototype.handle);
    expect(guard.canActivate(context)).toBe(true);
    context.setType(type);
    expect(() => guard.canActivate(context)).toThrow(/knows requests of HTTP alone/);
    expect(admitted).toBe(1);
  });
});
