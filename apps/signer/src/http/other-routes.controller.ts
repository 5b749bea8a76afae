import { All, Controller, Inject, Post, Req, Res, UseGuards } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { HttpAdapter } from '@tributary/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { SignError } from './answer.js';

/** Routes of the hosted service that are not served here, answered so that clients can say why. */
@Controller()
@UseGuards(AccessGuard)
export class OtherRoutesController {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost<HttpAdapter>) {}

  /** 403 makes the clients raise their PremiumFeatureError. */
  @Post(['webcast/rooms/:room_id/chat', 'webcast/chat'])
  chat(): never {
    throw new SignError(403, 'unsupported', 'this signer connects viewers; it does not send chat messages');
  }

  @All(['webcast/*', 'tiktok/*', 'accounts/*', 'api/*'])
  other(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): never {
    const path = (request.url.split('?', 1)[0] ?? '').replace(/\/{2,}/g, '/').slice(0, 200);
    const methods = this.host.httpAdapter.routeTable.methodsOf(path);
    if (methods.length > 0) {
      void reply.header('allow', [...methods, 'OPTIONS'].join(', '));
      throw new SignError(405, 'bad-request', `${path} is asked for by ${methods.join(', ')}, not by ${request.method}`);
    }
    throw new SignError(404, 'not-found', `${request.method} ${path} is not a route of this signer`);
  }
}
