import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Config, Problem } from '@tributary/runtime';
import { requestOf } from '../access/needs.js';

/** Answers for webhooks where none are configured. */
@Injectable()
export class WebhooksEnabledGuard implements CanActivate {
  constructor(private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    requestOf(context);
    if (this.config.webhookSecretKey !== '') return true;
    throw new Problem('turned-off', 'webhooks are off: WEBHOOK_SECRET_KEY is not set', { setting: 'WEBHOOK_SECRET_KEY' });
  }
}
