export { AddressPolicy, type AddressPolicyOptions, type AddressVerdict } from './addresses.js';
export { SsrfGuard, type HostPort, type SsrfVerdict } from './ssrf-guard.js';
export { NameResolver, type NameResolverOptions, type Resolution } from './names.js';
