/** The exports of `waggle-streams/client`. This module needs nothing of Node, so it runs on every platform that has `fetch`. */
export type { Media } from './body.ts'
export { type CallOptions, Gateway, type GatewayOptions, type RequestState } from './gateway.ts'
export {
  BadRequest,
  BeeFailed,
  DeadlineExceeded,
  GatewayError,
  IdempotencyConflict,
  InputRefused,
  NotAllowed,
  PayloadTooLarge,
  type ProblemFields,
  TooManyRequests,
  Unavailable,
  UnknownGateway,
  UnknownRequest,
  UnsupportedMediaType,
} from './gateway-error.ts'
export type { RequestEvent } from './request-stream.ts'
