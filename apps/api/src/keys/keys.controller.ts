import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Problem, type Scope, SCOPES } from '@tributary/runtime';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsString, Length } from 'class-validator';
import { Needs } from '../access/needs.js';
import { decodePageCursor, encodePageCursor, PageEnd, PageQuery } from '../paging.js';
import { KEYS_MAX, KeyStore } from './key-store.js';

class NewKeyBody {
  @ApiProperty({ description: 'what the key is for', example: 'overlay' })
  @IsString()
  @Length(1, 100)
  name!: string;

  @ApiProperty({ enum: SCOPES, isArray: true, description: '`admin` includes every other scope' })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(SCOPES.length)
  @IsIn(SCOPES, { each: true, message: `each of scopes must be one of ${SCOPES.join(', ')}` })
  scopes!: Scope[];
}

class KeyView {
  @ApiProperty()
  id!: string;
  @ApiProperty()
  name!: string;
  @ApiProperty({ enum: SCOPES, isArray: true })
  scopes!: Scope[];
  @ApiProperty({ type: String, format: 'date-time' })
  createdAt!: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'exact to about 30 s' })
  lastUsedAt!: Date | null;
}

class NewKeyView extends KeyView {
  @ApiProperty({ description: 'the key itself, shown this once and stored only as a hash' })
  key!: string;
}

class KeyPage extends PageEnd {
  @ApiProperty({ type: [KeyView] })
  data!: KeyView[];
}

@ApiTags('keys')
@Needs('admin')
@Controller('v1/keys')
export class KeysController {
  constructor(@Inject(KeyStore) private readonly keys: KeyStore) {}

  @Get()
  @ApiOperation({ summary: 'Lists keys in force' })
  @ApiOkResponse({ type: KeyPage })
  async list(@Query() query: PageQuery): Promise<KeyPage> {
    const after = decodePageCursor(query.cursor, 1)?.[0];
    const rows = await this.keys.list(after, query.limit + 1);
    const data = rows.slice(0, query.limit);
    return { data, next: rows.length > data.length ? encodePageCursor([data.at(-1)!.id]) : null };
  }

  @Post()
  @ApiOperation({ summary: 'Makes a key; it is shown in this answer and never again' })
  @ApiCreatedResponse({ type: NewKeyView })
  async create(@Body() body: NewKeyBody): Promise<NewKeyView> {
    const created = await this.keys.create(body.name, body.scopes);
    if (created === 'full') throw new Problem('limit-reached', `there are ${KEYS_MAX} keys already; revoke some`);
    return {
      id: created.id,
      name: body.name,
      scopes: [...new Set(body.scopes)],
      createdAt: created.createdAt,
      lastUsedAt: null,
      key: created.key,
    };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revokes a key: at once in this process, within 2 s in others' })
  @ApiNoContentResponse()
  async revoke(@Param('id') id: string): Promise<void> {
    switch (await this.keys.revoke(id)) {
      case 'revoked':
        return;
      case 'unknown':
        throw Problem.notFound(`there is no key ${id}`);
      case 'last-admin':
        throw new Problem('conflict', 'this is the last key with the scope admin; make another one first');
    }
  }
}
