export { Serdes } from '../topology/serdes.ts'
export { Refused, WaggleError } from '../topology/waggle-error.ts'
export type { Bee, BeeContext, BeeDefinition, BeePorts, BeeRequest, BeeType, BytesOutput, TensorsInput } from './define-bee.ts'
export { defineBee, ErrorInput } from './define-bee.ts'
