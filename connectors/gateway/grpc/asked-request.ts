import type { NewRequest } from '../../../topology/swarm/request/requests.ts'
import type { Callers } from '../access/caller.ts'
import { scopeMissing } from '../access/known-caller.ts'
import { ProblemError, problemOf } from '../http/problem.ts'
import type { RequestBody } from '../http/request-body.ts'
import type { Intake } from '../intake.ts'
import { TracedArrival } from '../traced-arrival.ts'
import { BeeFailure } from './bee-failure.ts'
import type { GrpcCall } from './grpc-service.ts'

export interface AskedRequestOptions {
  readonly callers: Callers
  readonly intake: Intake
}

/** Runs a call of a gateway, and reports the outcome to the metrics. */
export type ReportedCall = <T>(gateway: string, call: 'request' | 'submit', run: () => Promise<T>) => Promise<T>

export interface AskedRequest<T> {
  readonly gateway: string
  readonly waits: boolean
  /** Reads the input. Called after the request is admitted. */
  readonly input: () => RequestBody | Promise<RequestBody>
  /** Sends the request. The request counts among the caller's requests until the result settles or the caller leaves. */
  readonly send: (request: NewRequest) => Promise<T>
}

/** Admits a request of a gRPC call by the rules that every gateway has, and sends the request. Throws a ProblemError, and the errors of `send`. */
export async function askedRequest<T>(
  call: GrpcCall,
  { gateway, waits, input, send }: AskedRequest<T>,
  { callers, intake }: AskedRequestOptions,
): Promise<T> {
  const { caller, signal } = call
  if (gateway.length > maxNameCharacters)
    throw new ProblemError('WAGGLE_UNKNOWN_GATEWAY', `The name of a gateway has at most ${maxNameCharacters} characters`)
  if (callers.areKnown && !caller.scopes.allow(`ask:${gateway}`)) throw scopeMissing(`ask:${gateway}`)
  const header = (name: string) => call.header(name) ?? null
  const arrival = new TracedArrival({ traceparent: header('traceparent'), tracestate: header('tracestate'), baggage: header('baggage') }, null)
  const release = intake.admit({ gateway, caller, priority: call.header('x-priority'), waits })
  try {
    signal.addEventListener('abort', release, { once: true })
    const identification = intake.identify({ gateway, caller, key: call.header('idempotency-key') })
    call.announce('x-request-id', identification.id)
    const { bytes, contentType } = await input()
    const result = await send(intake.request({ gateway, identification, bytes, contentType, timeoutMs: call.timeoutMs(), waits, arrival }))
    arrival.end(waits ? 200 : 202)
    return result
  } catch (thrown) {
    arrival.end(httpStatusOf(thrown))
    throw thrown
  } finally {
    release()
    signal.removeEventListener('abort', release)
  }
}

/** The HTTP status for the outcome of a call. */
export function httpStatusOf(thrown: unknown): number {
  return thrown instanceof BeeFailure ? thrown.problem.status : problemOf(thrown, '').status
}

/** The same limit as for names in an HTTP path. */
const maxNameCharacters = 255
