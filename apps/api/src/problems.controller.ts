import { Controller, Get, Param } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiSecurity, ApiTags } from '@nestjs/swagger';
import { Problem, PROBLEM_TYPES } from '@tributary/runtime';
import { Open } from './access/needs.js';

/** What the `type` of a problem leads to. */
@Open()
@ApiTags('problems')
@Controller('problems')
export class ProblemsController {
  @Get(':code')
  @ApiOperation({ summary: 'What a problem means, and what helps', security: [] })
  @ApiSecurity({})
  @ApiOkResponse({
    schema: {
      type: 'object',
      required: ['code', 'status', 'title', 'remedy'],
      properties: { code: { type: 'string' }, status: { type: 'integer' }, title: { type: 'string' }, remedy: { type: 'string' } },
    },
  })
  describe(@Param('code') code: string): object {
    const known = Object.entries(PROBLEM_TYPES).find(([name]) => name === code);
    if (!known) throw Problem.notFound(`there is no problem with the code ${code.slice(0, 40)}`);
    return { code, ...known[1] };
  }
}
