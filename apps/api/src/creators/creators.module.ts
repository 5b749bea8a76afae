import { Module } from '@nestjs/common';
import { ProjectionsModule } from '../projections/projections.module.js';
import { CreatorCounts } from './creator-counts.js';
import { CreatorOptionsKeeper } from './creator-options.js';
import { CreatorRegistry } from './creator-registry.js';
import { CreatorStatuses } from './creator-statuses.js';
import { CreatorViews } from './creator-views.js';
import { CreatorsController } from './creators.controller.js';
import { ProxyGuard } from './proxy-guard.js';
import { StatusLearner } from './status-learner.js';

/** Monitored creators: their table, its copy for workers, what workers say of them, and their routes. */
@Module({
  imports: [ProjectionsModule],
  controllers: [CreatorsController],
  providers: [ProxyGuard, CreatorOptionsKeeper, CreatorRegistry, CreatorStatuses, CreatorViews, CreatorCounts, StatusLearner],
  exports: [CreatorRegistry, CreatorCounts],
})
export class CreatorsModule {}
