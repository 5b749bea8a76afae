import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { CreatorsModule } from '../creators/creators.module.js';
import { ProjectionsModule } from '../projections/projections.module.js';
import { KeyStore } from './key-store.js';
import { KeysController } from './keys.controller.js';
import { MeController } from './me.controller.js';

/** API keys: their table, its copy for signers, and their routes. */
@Module({
  imports: [AccessModule, ProjectionsModule, CreatorsModule],
  controllers: [KeysController, MeController],
  providers: [KeyStore],
})
export class KeysModule {}
