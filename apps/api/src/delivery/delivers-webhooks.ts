import type { Config } from '@tributary/runtime';

/** Whether this process delivers webhooks: it has the role, and the key of their secrets is set. */
export function deliversWebhooks({ apiRoles, webhookSecretKey }: Config): boolean {
  return webhookSecretKey !== '' && apiRoles.includes('webhooks');
}
