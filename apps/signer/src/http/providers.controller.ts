import { Controller, Get, HttpCode, Param, Post, Req, UseGuards } from '@nestjs/common';
import { Problem } from '@tributary/runtime';
import type { FastifyRequest } from 'fastify';
import { type ProviderReport, ProviderChain } from '../failover/provider-chain.js';
import { AccessGuard, Needs, NotCounted } from '../access/access.guard.js';
import { callerOf } from '../access/caller.js';
import { Ownership } from '../rooms/ownership.js';
import type { ShadowReport } from '../failover/shadow.js';

/** Figures of each provider, and a route that closes its breakers. */
@Controller('v1/providers')
@UseGuards(AccessGuard)
@NotCounted()
export class ProvidersController {
  constructor(
    private readonly chain: ProviderChain,
    private readonly ownership: Ownership,
  ) {}

  @Get()
  list(@Req() request: FastifyRequest): { data: ProviderReport[]; shadow: ShadowReport | null } {
    this.ownership.everything(callerOf(request), 'see how the providers do');
    return { data: this.chain.report(), shadow: this.chain.shadowReport() ?? null };
  }

  @Post(':name/reset')
  @HttpCode(204)
  @Needs('admin')
  reset(@Param('name') name: string): void {
    if (!this.chain.reset(name)) throw Problem.notFound(`there is no provider called ${name.slice(0, 40)}`);
  }
}
