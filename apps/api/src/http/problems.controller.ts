import { Controller, Get, Param } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { Problem, PROBLEM_TYPES } from '@tributary/runtime';
import { Open } from '../access/needs.js';
import { Fails } from '../openapi/fails.js';

/** What the `type` of a problem leads to. */
@Open()
@ApiTags('problems')
@Controller('problems')
export class ProblemsController {
  @Get(':code')
  @ApiOperation({ summary: 'What a problem means, and what helps', description: 'The `type` of every error leads here. It needs no key.' })
  @ApiParam({ name: 'code', description: 'the `code` of a problem', schema: { type: 'string', example: 'invalid-field' } })
  @Fails('not-found')
  @ApiOkResponse({
    schema: {
      type: 'object',
      required: ['code', 'status', 'title', 'remedy'],
      properties: {
        code: { type: 'string', description: 'as it was asked for' },
        status: { type: 'integer', description: 'HTTP status of every answer with this code' },
        title: { type: 'string', description: 'what it means' },
        remedy: { type: 'string', description: 'what the client can do' },
      },
    },
  })
  describe(@Param('code') code: string): object {
    const known = Object.entries(PROBLEM_TYPES).find(([name]) => name === code);
    if (!known) throw Problem.notFound(`there is no problem with the code ${code.slice(0, 40)}`);
    return { code, ...known[1] };
  }
}
