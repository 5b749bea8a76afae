import { All, Controller, Post, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { SignError } from './answer.js';

/** Routes of the hosted service that are not served here, answered so that clients can say why. */
@Controller()
@UseGuards(AccessGuard)
export class OtherRoutesController {
  /** 403 makes the clients raise their PremiumFeatureError. */
  @Post(['webcast/rooms/:room_id/chat', 'webcast/chat'])
  chat(): never {
    throw new SignError(403, 'unsupported', 'this signer connects viewers; it does not send chat messages');
  }

  @All(['webcast/*', 'tiktok/*', 'accounts/*', 'api/*'])
  other(@Req() request: FastifyRequest): never {
    const path = request.url.split('?', 1)[0]?.slice(0, 200);
    throw new SignError(404, 'not-found', `${request.method} ${path} is not a route of this signer`);
  }
}
