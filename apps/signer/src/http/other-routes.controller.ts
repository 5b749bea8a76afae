import { All, Controller, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { SignError } from './answer.js';

/** Paths that are served, with their one method, for who asks by another. `sign_url` has two. */
const METHODS: [path: RegExp, method: string][] = [
  [/^\/webcast\/(?:fetch|room_id|room_info|gift_info|rate_limits)$/, 'GET'],
  [/^\/webcast\/rooms\/[^/]+\/(?:connect|gifts)$/, 'GET'],
  [/^\/webcast\/anchors\/[^/]+\/(?:room_id|room_info|user_id)$/, 'GET'],
  [/^\/accounts\/me\/rate_limits$/, 'GET'],
  [/^\/webcast\/sign_url$/, 'GET, POST'],
  [/^\/(?:tiktok\/sign_url|webcast\/bulk_live_check|api\/eulerstream|accounts\/[^/]+\/jwt\/create)$/, 'POST'],
];

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
  other(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): never {
    const path = (request.url.split('?', 1)[0] ?? '').replace(/\/{2,}/g, '/').slice(0, 200);
    const known = METHODS.find(([pattern]) => pattern.test(path));
    if (known) {
      void reply.header('allow', known[1]);
      throw new SignError(405, 'bad-request', `${path} is asked for by ${known[1]}, not by ${request.method}`);
    }
    throw new SignError(404, 'not-found', `${request.method} ${path} is not a route of this signer`);
  }
}
