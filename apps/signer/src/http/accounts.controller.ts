import { Controller, Get, UseGuards } from '@nestjs/common';
import { AccessGuard } from './access.js';

/** What a key may use. */
@Controller()
@UseGuards(AccessGuard)
export class AccountsController {
  /** The windows `minute`, `hour` and `day` are left out where no limit is set. */
  @Get(['accounts/me/rate_limits', 'webcast/rate_limits'])
  rateLimits() {
    return { code: 200, message: 'this signer sets no limits of its own' };
  }
}
