import { applyDecorators, Controller, UseGuards } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { Needs } from '../../access/needs.js';
import { Fails } from '../../openapi/fails.js';
import { WebhooksEnabledGuard } from '../webhooks-enabled.guard.js';
import { EndpointOwner } from './endpoint-owner.guard.js';

/** The endpoint of a path. */
export const ENDPOINT = { name: 'id', description: 'id of the endpoint', schema: { type: 'string', example: 'wh_01kapmz9x8t0v7rwe5' } };

/** A controller of what belongs to one endpoint. What was sent to it are events, so that `read` is needed too. */
export function EndpointResource(): ClassDecorator {
  return applyDecorators(
    ApiTags('webhooks'),
    Needs('webhooks:write', 'read'),
    UseGuards(WebhooksEnabledGuard, EndpointOwner),
    ApiParam(ENDPOINT),
    Fails('turned-off', 'not-found'),
    Controller('v1/webhooks/:id'),
  );
}
