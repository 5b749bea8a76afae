import { type CanActivate, Inject, Injectable } from '@nestjs/common';
import { Config, Problem } from '@tributary/runtime';

/** Answers for webhooks where none are configured. */
@Injectable()
export class WebhooksEnabledGuard implements CanActivate {
  constructor(@Inject(Config) private readonly config: Config) {}

  canActivate(): boolean {
    if (this.config.webhookSecretKey !== '') return true;
    throw new Problem('turned-off', 'webhooks are off: WEBHOOK_SECRET_KEY is not set', { setting: 'WEBHOOK_SECRET_KEY' });
  }
}
