import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { KeyLimits } from './key-limits.js';
import { KeyRing } from './key-ring.js';

/** Who may call: the keys in force, and the guard of every route of the process. */
@Module({
  providers: [KeyRing, KeyLimits, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [KeyRing],
})
export class AccessModule {}
