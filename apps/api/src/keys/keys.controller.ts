import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { Problem } from '@tributary/runtime';
import type { FastifyReply } from 'fastify';
import { Needs } from '../access/needs.js';
import { CreatorRegistry } from '../creators/creator-registry.js';
import { Fails } from '../openapi/fails.js';
import { decodePageCursor, encodePageCursor, PageQuery } from '../http/paging.js';
import { toDate } from '../http/validators.js';
import { KEYS_MAX, type KeyLimits, KeyStore } from './key-store.js';
import { KeyPage, NewKeyBody, NewKeyView, PendingRevocation } from './key-views.js';

@ApiTags('keys')
@Needs('admin')
@Controller('v1/keys')
export class KeysController {
  constructor(
    private readonly keys: KeyStore,
    private readonly creators: CreatorRegistry,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Lists keys in force', description: 'Without the keys themselves, which are stored nowhere.' })
  @ApiOkResponse({ type: KeyPage })
  async list(@Query() query: PageQuery): Promise<KeyPage> {
    const after = decodePageCursor(query.cursor, 1)?.[0];
    const rows = await this.keys.list(after, query.limit + 1);
    const data = rows.slice(0, query.limit);
    return { data, next: rows.length > data.length ? encodePageCursor([data.at(-1)!.id]) : null };
  }

  @Post()
  @ApiOperation({
    summary: 'Makes a key',
    description:
      'It is shown in this answer and never again. Limited to `creators` it sees nothing of others on any route, and signs for no others. Keys are not changed: make another one, then revoke this one.',
  })
  @Fails('limit-reached', 'conflict')
  @ApiCreatedResponse({ type: NewKeyView })
  async create(@Body() body: NewKeyBody): Promise<NewKeyView> {
    const created = await this.keys.create(body.name, body.scopes, await this.limitsOf(body));
    if (created === 'full') throw new Problem('limit-reached', `there are ${KEYS_MAX} keys already; revoke some`);
    const stored = await this.keys.find(created.id);
    if (!stored) throw new Problem('conflict', 'the key was revoked, or has expired, while it was made');
    return { ...stored, key: created.key };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Revokes a key',
    description:
      'At once in this process, within 2 s in every other one; what was open with it (streams, exports) ends. 202: it is revoked, and Redis does not answer, so that signers go on with it until they are told. The last key with the scope `admin` stays.',
  })
  @ApiParam({ name: 'id', description: 'id of the key, not the key itself', schema: { type: 'string', example: 'key_01kapmz9x8t0v7rwe5' } })
  @Fails('not-found', 'conflict')
  @ApiNoContentResponse({ description: 'The key is refused from now on.' })
  @ApiAcceptedResponse({ type: PendingRevocation, description: 'The key is revoked; signers are not told yet.' })
  async revoke(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<PendingRevocation | undefined> {
    switch (await this.keys.revoke(id)) {
      case 'revoked':
        return undefined;
      case 'pending':
        void reply.status(202);
        return { id, pending: 'signers', detail: 'the key is revoked; signers are told as soon as Redis answers' };
      case 'unknown':
        throw Problem.notFound(`there is no key ${id.slice(0, 100)}`);
      case 'last-admin':
        throw new Problem('conflict', 'this is the last key with the scope admin that does not expire; make another one first');
    }
  }

  /** @throws Problem naming the limit that is wrong */
  private async limitsOf(body: NewKeyBody): Promise<KeyLimits> {
    const expiresAt = toDate(body.expiresAt);
    if (expiresAt && expiresAt.getTime() <= Date.now()) throw Problem.badField('expiresAt', 'a time to come');
    if (body.creators === undefined) return { expiresAt };
    if (body.scopes.includes('admin')) throw Problem.badField('creators', 'none for a key with the scope admin, which may do everything');
    const { ids, unknown } = await this.creators.monitored(body.creators);
    if (unknown.length > 0)
      throw Problem.badField('creators', `ids or handles of monitored creators; unknown: ${unknown.slice(0, 5).join(', ')}`);
    return { creators: ids, expiresAt };
  }
}
