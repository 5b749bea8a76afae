import { Controller, Get, Req, Res, UseGuards } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AccessGuard } from '../access/access.guard.js';
import { Connects } from './connects.js';
import { type Query, textOf } from './params.js';

/** Connects by the path of clients before 2.5, in every language. The present path is in connect-route.ts. */
@Controller()
@UseGuards(AccessGuard)
export class ConnectController {
  constructor(private readonly connects: Connects) {}

  @Get('webcast/fetch')
  async fetch(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.connects.answer(textOf(request.query as Query, ['room_id', 'roomId'], 40), request, reply);
  }
}
