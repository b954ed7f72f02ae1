import { type Fields, isFields } from '../../../topology/fields.ts'
import { ownMember } from '../../../topology/own-member.ts'

/** The fields of application/problem+json (RFC 9457) that a gateway writes. `status` is null if no answer arrived. */
export interface ProblemFields {
  readonly status: number | null
  /** A code of docs/errors.md, such as WAGGLE_REFUSED; empty if the answer has no code. */
  readonly code?: string
  readonly title?: string
  readonly detail: string
  readonly requestId?: string | null
  /** The bee that failed; null if no bee failed. */
  readonly bee?: string | null
  readonly cause?: unknown
}

/** A call of a gateway that gave no result. Most statuses have a class of their own, so that `instanceof` distinguishes the errors. */
export class GatewayError extends Error {
  readonly status: number | null
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly requestId: string | null
  readonly bee: string | null

  constructor({ status, code = '', title = '', detail, requestId = null, bee = null, cause }: ProblemFields) {
    super(`${bee === null ? '' : `${bee}: `}${detail}${code === '' ? '' : ` (${code})`}`, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.status = status
    this.code = code
    this.title = title
    this.detail = detail
    this.requestId = requestId
    this.bee = bee
  }
}

/** 400: the body or a header is wrong. */
export class BadRequest extends GatewayError {}
/** 401, 403 or 421: the token is missing, or does not allow this call. */
export class NotAllowed extends GatewayError {}
/** 404: the server has no such gateway. `detail` lists the gateways that the server has. */
export class UnknownGateway extends GatewayError {}
/** 404: there is no such request, or its answer is no longer kept. */
export class UnknownRequest extends GatewayError {}
/** 413: the body is larger than the gateway accepts. */
export class PayloadTooLarge extends GatewayError {}
/** 415: the gateway does not accept this content type. */
export class UnsupportedMediaType extends GatewayError {}
/** 422: a bee refused this input. `detail` says which input is valid. */
export class InputRefused extends GatewayError {}
/** 422: an earlier request had this idempotency key and a different body. */
export class IdempotencyConflict extends GatewayError {}
/** 429, even after the last retry. */
export class TooManyRequests extends GatewayError {}
/** 502: a bee failed. Its input is in the swarm's dead letters. */
export class BeeFailed extends GatewayError {}
/** 503, or no connection, even after the last retry. */
export class Unavailable extends GatewayError {}
/** 504, or no answer in time. A request that was accepted may continue; `Gateway.get` returns its outcome later. */
export class DeadlineExceeded extends GatewayError {}

/** The error for a response without a success status. Any body is accepted, because a proxy on the way may have written the body. */
export function problemOf(status: number, body: Uint8Array, requestId: string | null): GatewayError {
  const text = new TextDecoder().decode(body)
  return errorOf(status, fieldsIn(text), { detail: text.slice(0, 200).trim() || `HTTP status ${status}`, requestId })
}

/** The error for the problem of a stored request. */
export function problemIn(problem: Fields, requestId: string): GatewayError {
  const status = ownMember(problem, 'status')
  return errorOf(typeof status === 'number' ? status : 500, problem, { detail: 'The request failed', requestId })
}

function errorOf(status: number, fields: Fields, usual: { readonly detail: string; readonly requestId: string | null }): GatewayError {
  const text = (name: string) => {
    const value = ownMember(fields, name)
    return typeof value === 'string' && value !== '' ? value : null
  }
  const code = text('code') ?? ''
  const Kind = ownMember(classByCode, code) ?? byStatus[status] ?? GatewayError
  return new Kind({
    status,
    code,
    title: text('title') ?? '',
    detail: text('detail') ?? usual.detail,
    requestId: text('request_id') ?? usual.requestId,
    bee: text('bee'),
  })
}

function fieldsIn(text: string): Fields {
  try {
    const fields: unknown = JSON.parse(text)
    return isFields(fields) ? fields : {}
  } catch {
    return {}
  }
}

const classByCode: { readonly [code: string]: typeof GatewayError | undefined } = {
  WAGGLE_UNKNOWN_REQUEST: UnknownRequest,
  WAGGLE_KEY_REUSED: IdempotencyConflict,
}

const byStatus: { readonly [status: number]: typeof GatewayError | undefined } = {
  400: BadRequest,
  401: NotAllowed,
  403: NotAllowed,
  404: UnknownGateway,
  413: PayloadTooLarge,
  415: UnsupportedMediaType,
  421: NotAllowed,
  422: InputRefused,
  429: TooManyRequests,
  502: BeeFailed,
  503: Unavailable,
  504: DeadlineExceeded,
}
