import type { Clock } from '../../../processor/ports.ts'
import { CallerPlaces } from '../access/caller-places.ts'
import { ProblemError } from '../http/problem.ts'
import type { AnswerStream, GrpcCall, GrpcMethods } from './grpc-service.ts'

export interface HealthServiceOptions {
  readonly services: ReadonlySet<string>
  readonly notReady: () => string | null
  readonly clock: Clock
}

/** gRPC's health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). Its status is SERVING while every swarm answers. */
export function healthMethods({ services, notReady, clock }: HealthServiceOptions): GrpcMethods {
  const knows = (service: string) => service === '' || services.has(service)
  const now = () => (notReady() === null ? serving.yes : serving.no)
  const watches = new CallerPlaces({ max: maxWatches, what: 'callers watch' })
  return {
    Check: {
      unary: async ({ service }: HealthCheckRequest) => {
        if (knows(service)) return { status: now() }
        throw new ProblemError('WAGGLE_NOT_FOUND', `There is no service ${service.slice(0, 100)}`)
      },
    },
    Watch: {
      async stream({ service }: HealthCheckRequest, call: GrpcCall, answers: AnswerStream) {
        let last: number | null = null
        const leave = watches.take(call.holder)
        try {
          const over = AbortSignal.any([call.signal, call.stopping])
          while (!over.aborted) {
            const next = knows(service) ? now() : serving.unknown
            if (next !== last) await answers.send({ status: next })
            last = next
            await pause(clock, over)
          }
        } finally {
          leave()
        }
      },
    },
  }
}

/** Waits for a second, or until the signal aborts. */
function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(1000, done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

interface HealthCheckRequest {
  readonly service: string
}

/** The numbers of the enum `ServingStatus`. */
const serving = { yes: 1, no: 2, unknown: 3 } as const
const maxWatches = 100
