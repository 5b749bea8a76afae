import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { KeyRecord } from '@tributary/runtime';
import { Caller, Needs } from '../access/needs.js';
import { allowedCreatorsOf } from '../access/allowed-creators.js';
import { LiveStreams } from '../live/live-streams.js';
import { StreamSlots } from '../live/stream-slots.js';
import { STATUS_SCHEMA } from './status-schema.js';
import { type SystemStatus, SystemStatusReader } from './system-status.js';

@ApiTags('status')
@Needs('read')
@Controller('v1/status')
export class StatusController {
  constructor(
    private readonly reader: SystemStatusReader,
    private readonly live: LiveStreams,
    private readonly slots: StreamSlots,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'How every part of the system is',
    description:
      'A part that does not answer is shown as such; the answer itself is always 200. A key that is limited to creators gets `time`, `log`, and `creators` and `live` of its own.',
  })
  @ApiOkResponse({ schema: STATUS_SCHEMA })
  async status(@Caller() caller: KeyRecord): Promise<Partial<SystemStatus> & { live: { streams: number } }> {
    const allowedCreators = allowedCreatorsOf(caller);
    if (allowedCreators) return { ...(await this.reader.readWithin(allowedCreators)), live: { streams: this.slots.countOf(caller.id) } };
    return { ...(await this.reader.read()), live: { streams: this.live.count } };
  }
}
