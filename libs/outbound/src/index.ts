export { AddressPolicy, type AddressPolicyOptions, type AddressVerdict } from './addresses.js';
export { Gate, type Place, type Vetted } from './gate.js';
export { NameResolver, type NameResolverOptions, type Resolution } from './names.js';
