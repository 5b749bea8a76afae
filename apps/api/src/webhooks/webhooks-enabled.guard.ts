import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Config, Problem } from '@tributary/runtime';
import type { KeyedRequest } from '../access/needs.js';

/** Answers for webhooks where none are configured. */
@Injectable()
export class WebhooksEnabledGuard implements CanActivate {
  constructor(@Inject(Config) private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.switchToHttp().getRequest<KeyedRequest>().apiKey?.restriction)
      throw new Problem('forbidden', 'a key that is limited to creators has no webhooks');
    if (this.config.webhookSecretKey !== '') return true;
    throw new Problem('turned-off', 'webhooks are off: WEBHOOK_SECRET_KEY is not set', { setting: 'WEBHOOK_SECRET_KEY' });
  }
}
