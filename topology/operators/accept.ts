/**
 * Request identity at a gateway: re-keys each record by its request id (the header `waggle-request-id`, else derived from
 * topic, partition and offset, so that reading the record again gives the same id), and says at once, on the accepted topic,
 * that the request is on its way.
 */
export interface Accept {
  readonly op: 'accept'
  readonly gateway: string
  /** The child that takes the tiny accepted record; all others get the request. */
  readonly acceptedChild: string
  readonly requestChildren: readonly string[]
}

/** Value of the accepted topic, as JSON. */
export interface AcceptedRequest {
  readonly gateway: string
  readonly accepted_at: number
  readonly deadline: number | null
  readonly body_hash: string
}

export const requestIdHeader = 'waggle-request-id'
export const deadlineHeader = 'waggle-deadline'
export const gatewayHeader = 'waggle-gateway'
export const bodyHashHeader = 'waggle-body-hash'
export const acceptedHeader = 'waggle-accepted'
