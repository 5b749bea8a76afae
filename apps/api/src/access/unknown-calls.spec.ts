import { Controller } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it } from '@jest/globals';
import { FEED, LogContext } from '@tributary/log';
import { Config, createLogger, HealthController } from '@tributary/runtime';
import type pg from 'pg';
import { WebhooksEnabledGuard } from '../webhooks/webhooks-enabled.guard.js';
import { EndpointOwner } from '../webhooks/endpoints/endpoint-owner.guard.js';
import type { EndpointStore } from '../webhooks/endpoints/endpoint-store.js';
import { AccessGuard } from './access.guard.js';
import type { KeyLimits } from './key-limits.js';
import { KeyRing } from './key-ring.js';
import { Open } from './needs.js';

const logger = createLogger({ name: 'guard-test', level: 'silent', format: 'json' });
const config = Object.assign(new Config(), { webhookSecretKey: Buffer.alloc(32, 7).toString('base64') });
const guards = [
  new AccessGuard(new Reflector(), new KeyRing({} as pg.Pool, logger), {} as KeyLimits),
  new WebhooksEnabledGuard(config),
  new EndpointOwner({ exists: () => Promise.resolve(true) } as unknown as EndpointStore),
];

@Open()
@Controller()
class OpenRoutes {
  handle(): void {}
}

/** A call as Nest shows it to a guard. */
function call(type: string, args: unknown[], controller: new (...args: never[]) => object = OpenRoutes): ExecutionContextHost {
  const context = new ExecutionContextHost(args, controller, OpenRoutes.prototype.handle);
  context.setType(type);
  return context;
}

/** What looks like an admitted request of HTTP, so that only the kind of the call can be refused. */
const request = { headers: {}, params: { id: 'we_1' }, apiKey: { id: 'key_1', name: 'n', scopes: ['admin'] } };
const judge = async (guard: (typeof guards)[number], context: ExecutionContextHost) => guard.canActivate(context);

describe.each(guards.map((guard) => [guard.constructor.name, guard] as const))('%s', (_, guard) => {
  it.each(['ws', 'graphql', 'rpc', 'something new'])('refuses a call by %s, whatever the controller', async (type) => {
    await expect(judge(guard, call(type, [request, {}]))).rejects.toThrow(/knows HTTP alone/);
    await expect(judge(guard, call(type, [request, {}], HealthController))).rejects.toThrow(/knows HTTP alone/);
  });
});

describe('the access guard', () => {
  it('lets batches of the log through by their context, and a context of HTTP without a key on open routes', async () => {
    const [access] = guards;
    expect(await judge(access!, call('rpc', [{}, new LogContext(FEED)]))).toBe(true);
    expect(await judge(access!, call('http', [{ headers: {} }, {}]))).toBe(true);
  });

  it('takes nothing for a batch of the log that only looks like one', async () => {
    const [access] = guards;
    const likeness = { args: [FEED], getArgByIndex: () => FEED };
    await expect(judge(access!, call('rpc', [{}, likeness]))).rejects.toThrow(/knows HTTP alone/);
    await expect(judge(access!, call('ws', [{}, new LogContext(FEED)]))).rejects.toThrow(/knows HTTP alone/);
  });
});
