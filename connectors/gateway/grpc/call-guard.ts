import type { IncomingHttpHeaders } from 'node:http'
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type StatusObject,
  status,
} from '@grpc/grpc-js'
import type { Clock } from '../../../processor/ports.ts'
import { type OwnNames, siteRefusal } from '../../http/same-site.ts'
import { anybody, type Caller, type Callers } from '../access/caller.ts'
import { CallerLimits, highestPriority } from '../access/caller-limits.ts'
import { knownCaller } from '../access/known-caller.ts'
import { ProblemError } from '../http/problem.ts'
import { streamOf } from './call-stream.ts'
import type { GrpcConnections } from './grpc-connections.ts'
import { statusOf } from './grpc-status.ts'

export interface CallGuardOptions {
  readonly callers: Callers
  readonly clock: Clock
  readonly connections: GrpcConnections
  readonly ownNames: () => OwnNames
  /** Messages a second from one address; null: no limit. */
  readonly rateLimitPerSecond: number | null
  /** The most calls at once, of all connections. */
  readonly maxCalls: number
  /** The time limit for the message of a call that sends one. */
  readonly messageMs: number
}

/** Checks each call before its first message is read: its host and origin, its token, and the number of calls. */
export class CallGuard {
  readonly #options: CallGuardOptions
  readonly #callers = new WeakMap<Metadata, Caller>()
  /** Counts the messages of each address as those of a caller. */
  readonly #addresses: CallerLimits | null
  #calls = 0

  constructor(options: CallGuardOptions) {
    this.#options = options
    const { clock, rateLimitPerSecond: ratePerSecond } = options
    this.#addresses =
      ratePerSecond === null ? null : new CallerLimits({ clock, limits: { ratePerSecond, inFlight: null, allInFlight: Number.MAX_SAFE_INTEGER } })
  }

  /** The caller of a call that was let in. */
  callerOf(metadata: Metadata): Caller {
    const caller = this.#callers.get(metadata)
    if (caller === undefined) throw new Error('The call has not passed the guard')
    return caller
  }

  /** The calls that have no status yet. */
  get openCalls(): number {
    return this.#calls
  }

  get interceptor(): ServerInterceptor {
    return ({ path, requestStream }, call) => this.#guarded(call, { path, requestStream })
  }

  #guarded(
    call: ServerInterceptingCallInterface,
    { path, requestStream }: { readonly path: string; readonly requestStream: boolean },
  ): ServerInterceptingCall {
    const { connections, clock, maxCalls, messageMs } = this.#options
    const { remoteAddress } = call.getConnectionInfo()
    const { stream, encoding } = streamOf(call)
    const counted = connections.begin(stream)
    /** The bytes of the messages that have come and are not answered. */
    const open: number[] = []
    let messages = 0
    let isOver = false
    let cancelTimer = () => {}
    const over = () => {
      if (isOver) return
      isOver = true
      this.#calls--
      cancelTimer()
      counted.end()
    }
    this.#calls++
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            if (encoding !== 'identity') {
              call.sendStatus(compressed())
              return over()
            }
            if (this.#calls > maxCalls) {
              call.sendStatus(statusOf(new ProblemError('WAGGLE_OVERLOADED', `${maxCalls} calls are open`, 1), ''))
              return over()
            }
            if (!isUncounted.test(path) && !this.#countMessage(remoteAddress)) {
              call.sendStatus(tooMany())
              return over()
            }
            // A stream of messages may be silent. A single message may not keep its place without coming.
            if (!requestStream)
              cancelTimer = clock.after(messageMs, () => {
                call.sendStatus({ code: status.DEADLINE_EXCEEDED, details: 'The message took too long to arrive' })
                over()
              })
            this.#callerWith(metadata, call.getHost(), path).then(
              (caller) => {
                this.#callers.set(metadata, caller)
                pass(metadata)
              },
              (thrown: unknown) => {
                call.sendStatus(statusOf(thrown, ''))
                over()
              },
            )
          },
          onReceiveMessage: (message: Buffer, pass) => {
            const isFirst = messages++ === 0
            open.push(message.byteLength + frameBytes)
            counted.isBusy = requestStream
            if (isFirst || this.#countMessage(remoteAddress)) return pass(message)
            call.sendStatus(tooMany())
            over()
          },
          onReceiveHalfClose: (pass) => {
            cancelTimer()
            counted.isBusy = true
            pass()
          },
          onCancel: over,
        })
      },
      sendMetadata: (metadata, next) => {
        metadata.set('grpc-accept-encoding', 'identity')
        next(metadata)
      },
      sendMessage: (message: Buffer, next) => {
        counted.answering(message.byteLength + frameBytes)
        // Each message of a stream has one answer, in their order.
        if (requestStream) {
          counted.forget(open.shift() ?? 0)
          counted.isBusy = open.length > 0
        }
        next(message)
      },
      sendStatus: (sent, next) => {
        if (isOver) return
        next(sent)
        over()
      },
    })
  }

  /** False for a message past the rate of its address. */
  #countMessage(address = ''): boolean {
    try {
      this.#addresses?.admit({ caller: address, gateway: '', priority: highestPriority, waits: false })()
      return true
    } catch {
      return false
    }
  }

  async #callerWith(metadata: Metadata, host: string, path: string): Promise<Caller> {
    const { callers, ownNames } = this.#options
    const text = (name: string) => metadata.get(name).map(String)
    const headers: IncomingHttpHeaders = { host }
    const [origin, site] = [text('origin')[0], text('sec-fetch-site')[0]]
    if (origin !== undefined) headers.origin = origin
    if (site !== undefined) headers['sec-fetch-site'] = site
    const refusal = siteRefusal({ headers, rawHeaders: ['host', host] }, ownNames())
    if (refusal !== null) throw new ProblemError(refusal.code, refusal.detail)
    const authorization = text('authorization')
    if (!callers.areKnown || (authorization.length === 0 && openPath.test(path))) return anybody
    return knownCaller(authorization.length > 1 ? '' : authorization[0], callers)
  }
}

/** gRPC has this status for an encoding that a server does not know, with the ones that it knows. */
function compressed(): StatusObject {
  const problem = new ProblemError('WAGGLE_CONTENT_ENCODING', 'Messages are not inflated here: send them without grpc-encoding, or gzip over HTTP')
  const { details, metadata } = statusOf(problem, '')
  metadata.set('grpc-accept-encoding', 'identity')
  return { code: status.UNIMPLEMENTED, details, metadata }
}

function tooMany(): StatusObject {
  return statusOf(new ProblemError('WAGGLE_RATE_LIMIT', 'More requests a second than this gateway takes from one address', 1), '')
}

/** Health checks count nowhere, as over HTTP. */
const isUncounted = /^\/(grpc\.health\.v1\.Health\/|inference\.GRPCInferenceService\/Server(Live|Ready)$)/

/** Methods that need no token, as their counterparts over HTTP: health, and the description of the interface. */
const openPath =
  /^\/(grpc\.health\.v1\.Health\/|grpc\.reflection\.v1(alpha)?\.ServerReflection\/|inference\.GRPCInferenceService\/Server(Live|Ready|Metadata)$)/

/** The bytes ahead of a message: a flag and its length. */
const frameBytes = 5
