/** Injection tokens of what one signer has exactly once and has no class of its own. */
export const LOGGER = Symbol('logger');
export const REDIS = Symbol('Redis client for commands');
