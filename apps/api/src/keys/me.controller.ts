import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Config, type KeyRecord, Problem } from '@tributary/runtime';
import { Caller, NeedsKey } from '../access/needs.js';
import { KeyStore } from './key-store.js';
import { CallerView } from './key-views.js';

@ApiTags('keys')
@NeedsKey()
@Controller('v1/me')
export class MeController {
  constructor(
    private readonly keys: KeyStore,
    private readonly config: Config,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'What the caller is: its scopes, what it is limited to, when it expires',
    description: 'For every key, whatever its scopes.',
  })
  @ApiOkResponse({ type: CallerView })
  async me(@Caller() caller: KeyRecord): Promise<CallerView> {
    const key = await this.keys.find(caller.id);
    if (!key) throw new Problem('unauthorized', 'this key was revoked, or has expired');
    const { apiRatePerMinute, streamsPerKeyMax, webhookEndpointsPerKeyMax } = this.config;
    return {
      ...key,
      limits: { requestsPerMinute: apiRatePerMinute, streams: streamsPerKeyMax, webhookEndpoints: webhookEndpointsPerKeyMax },
    };
  }
}
