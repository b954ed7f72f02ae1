import type { IncomingHttpHeaders } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import {
  Metadata,
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
import { CallerPlaces } from '../access/caller-places.ts'
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
  /** The most messages a second from one address; null: no limit. */
  readonly rateLimitPerSecond: number | null
  /** The most calls at once, over all connections. Calls of health and reflection have separate limits. */
  readonly maxCalls: number
  /**
   * The time limit for the message of a unary call. In a stream, the time limit for the next message after all earlier messages have their answers.
   */
  readonly messageMs: number
}

/** Checks each call before its first message is read: the host and origin, the token, and the number of calls. */
export class CallGuard {
  readonly #options: CallGuardOptions
  readonly #callers = new WeakMap<Metadata, LetIn>()
  /** Counts messages by address. Each address has the limit of one caller. */
  readonly #addresses: CallerLimits | null
  /** The places of calls, by the paths that share the places. A place is held by a caller, or by an address until the caller is known. */
  readonly #places: readonly { readonly paths: RegExp; readonly places: CallerPlaces }[]
  #calls = 0

  constructor(options: CallGuardOptions) {
    this.#options = options
    const { clock, rateLimitPerSecond: ratePerSecond, maxCalls } = options
    // Callers without a token may call health and reflection, so these calls have separate places.
    this.#places = [
      { paths: isUncounted, places: new CallerPlaces({ max: maxHealthCalls, what: 'calls ask for the health' }) },
      { paths: reflectionPath, places: new CallerPlaces({ max: maxReflections, what: 'calls ask for the interface' }) },
      { paths: /^/, places: new CallerPlaces({ max: maxCalls, what: 'calls are open' }) },
    ]
    this.#addresses =
      ratePerSecond === null ? null : new CallerLimits({ clock, limits: { ratePerSecond, inFlight: null, allInFlight: Number.MAX_SAFE_INTEGER } })
  }

  /** The caller of a call that was admitted. */
  callerOf(metadata: Metadata): Caller {
    return this.#letIn(metadata).caller
  }

  /** The name under which an admitted call holds its place. */
  holderOf(metadata: Metadata): string {
    return this.#letIn(metadata).holder
  }

  /** The HTTP/2 stream of an admitted call. */
  streamOf(metadata: Metadata): ServerHttp2Stream {
    return this.#letIn(metadata).stream
  }

  /** The number of calls without a status. */
  get openCalls(): number {
    return this.#calls
  }

  get interceptor(): ServerInterceptor {
    return (method, call) => this.#guarded(call, method)
  }

  #guarded(
    call: ServerInterceptingCallInterface,
    { path, requestStream, responseStream }: { readonly path: string; readonly requestStream: boolean; readonly responseStream: boolean },
  ): ServerInterceptingCall {
    const { connections, clock, messageMs } = this.#options
    const { remoteAddress } = call.getConnectionInfo()
    const { stream, encoding } = streamOf(call)
    const counted = connections.begin(stream)
    /** The sizes of the messages that have arrived and have no answer yet. */
    const open: number[] = []
    let messages = 0
    let isOver = false
    let hasAll = false
    let letIn: Metadata | null = null
    let leave = () => {}
    let cancelTimer = () => {}
    const over = () => {
      if (isOver) return
      isOver = true
      this.#calls--
      cancelTimer()
      leave()
      counted.end()
    }
    const refuse = (refusal: StatusObject) => {
      call.sendStatus(refusal)
      over()
    }
    /** Limits the time for which a call keeps its place without a message, also between the messages of a stream. */
    const waitForMessage = () => {
      cancelTimer()
      cancelTimer = clock.after(messageMs, () =>
        refuse({ code: status.DEADLINE_EXCEEDED, details: 'The message took too long to arrive', metadata: new Metadata() }),
      )
    }
    /** Looks the token up again for each message, because a stream may be open for longer than its token is valid. */
    const stillKnown = (go: () => void) => {
      if (letIn === null || isOver) return go()
      this.#callerWith(letIn, call.getHost(), path)
        .then((caller) => {
          if (letIn !== null) this.#callers.set(letIn, { ...this.#letIn(letIn), caller })
          go()
        })
        .catch((thrown: unknown) => refuse(statusOf(thrown, '')))
    }
    this.#calls++
    // grpc-js reports no cancellation for a stream that was reset before the call began.
    stream.once('close', over)
    if (stream.destroyed) over()
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            if (encoding !== 'identity') return refuse(compressed())
            if (!isUncounted.test(path) && !this.#countMessage(remoteAddress)) return refuse(tooMany())
            const places = this.#placesOf(path)
            const address = `address ${remoteAddress}`
            try {
              leave = places.take(address)
            } catch (thrown) {
              return refuse(statusOf(thrown, ''))
            }
            waitForMessage()
            this.#callerWith(metadata, call.getHost(), path)
              .then((caller) => {
                if (isOver) return
                // All callers that use the same proxy have the same address.
                const holder = caller.name === '' ? address : `caller ${caller.name}`
                if (holder !== address) {
                  leave()
                  leave = places.take(holder)
                }
                this.#callers.set(metadata, { caller, holder, stream })
                letIn = metadata
                pass(metadata)
              })
              .catch((thrown: unknown) => refuse(statusOf(thrown, '')))
          },
          onReceiveMessage: (message: Buffer, pass) => {
            const isFirst = messages++ === 0
            open.push(message.byteLength + frameBytes)
            counted.isBusy = requestStream
            if (requestStream) cancelTimer()
            if (isFirst) return pass(message)
            if (!this.#countMessage(remoteAddress)) return refuse(tooMany())
            stillKnown(() => pass(message))
          },
          onReceiveHalfClose: (pass) => {
            hasAll = true
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
        const send = () => {
          counted.answering(message.byteLength + frameBytes)
          next(message)
        }
        // Each message of a stream has one answer, in the order of the messages.
        if (requestStream) {
          counted.forget(open.shift() ?? 0)
          counted.isBusy = hasAll || open.length > 0
          if (!counted.isBusy && !isOver) waitForMessage()
        }
        if (responseStream) stillKnown(send)
        else send()
      },
      sendStatus: (sent, next) => {
        if (isOver) return
        next(sent)
        over()
      },
    })
  }

  #letIn(metadata: Metadata): LetIn {
    const found = this.#callers.get(metadata)
    if (found === undefined) throw new Error('The call has not passed the guard')
    return found
  }

  #placesOf(path: string): CallerPlaces {
    const found = this.#places.find(({ paths }) => paths.test(path))
    if (found === undefined) throw new Error('Each path has places')
    return found.places
  }

  /** Returns false for a message over the rate limit of its address. */
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

interface LetIn {
  readonly caller: Caller
  readonly holder: string
  readonly stream: ServerHttp2Stream
}

/** The status that gRPC specifies for an encoding that the server does not support, with the supported encodings. */
function compressed(): StatusObject {
  const problem = new ProblemError('WAGGLE_CONTENT_ENCODING', 'Messages are not inflated here: send them without grpc-encoding, or gzip over HTTP')
  const { details, metadata } = statusOf(problem, '')
  metadata.set('grpc-accept-encoding', 'identity')
  return { code: status.UNIMPLEMENTED, details, metadata }
}

function tooMany(): StatusObject {
  return statusOf(new ProblemError('WAGGLE_RATE_LIMIT', 'More requests a second than this gateway takes from one address', 1), '')
}

/** Health checks are not counted, as over HTTP. */
const isUncounted = /^\/(grpc\.health\.v1\.Health\/|inference\.GRPCInferenceService\/Server(Live|Ready)$)/

const reflectionPath = /^\/grpc\.reflection\./

/** Methods that need no token, like their counterparts over HTTP: health, and the description of the interface. */
const openPath =
  /^\/(grpc\.health\.v1\.Health\/|grpc\.reflection\.v1(alpha)?\.ServerReflection\/|inference\.GRPCInferenceService\/Server(Live|Ready|Metadata)$)/

/** The bytes before a message on the wire: a flag and the message's length. */
const frameBytes = 5
const maxHealthCalls = 1000
const maxReflections = 100
