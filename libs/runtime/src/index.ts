export { backoffMs, type BackoffBounds, pause } from './backoff.js';
export { Config, ConfigError, describeSettings, loadConfig, maskedConfig, type SettingDoc } from './config.js';
export { HealthController, Metrics, Readiness, type ReadinessCheck } from './health.js';
export { allows, hashKey, KeyProjection, type KeyRecord, newKey, type Scope, SCOPES } from './keys.js';
export { createLogger, type Logger, nestLogger } from './logging.js';
export { createPool, waitForPostgres } from './postgres.js';
export { createValidationPipe, type FieldProblem, Problem, ProblemFilter } from './problem.js';
export { type ProcessOptions, runProcess } from './process.js';
export { createRedis, waitForRedis } from './redis.js';
