import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { Access } from '../access/access.js';
import { Connects } from './connects.js';

export const CONNECT_ROUTE = '/webcast/rooms/:room_id/connect';

/**
 * The route that clients ask most, as a route of Fastify: Nest's router would cost a sixth of an answer from memory. Access and
 * answer are those of the other routes, and errors go to the application's filter. Headers for pages of other origins are added
 * before, by hooks of the whole application.
 */
@Injectable()
export class ConnectRoute implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost,
    private readonly access: Access,
    private readonly connects: Connects,
  ) {}

  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    // Not async: an answer from memory waits for nothing.
    fastify.get<{ Params: { room_id: string } }>(CONNECT_ROUTE, (request, reply) => {
      const answer = () => this.connects.answer(request.params.room_id, request, reply);
      const admitted = this.access.admit(request, reply, { needed: 'sign', counted: true });
      return admitted === true ? answer() : admitted.then(answer);
    });
  }
}
