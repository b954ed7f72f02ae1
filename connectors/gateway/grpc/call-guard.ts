import type { IncomingHttpHeaders } from 'node:http'
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
import { knownCaller } from '../access/known-caller.ts'
import { Places } from '../access/places.ts'
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
  /** The most calls at once, of all connections. Health and reflection have places of their own. */
  readonly maxCalls: number
  /** The time limit for the message of a call that sends one, and for the next message of a stream when all before have their answers. */
  readonly messageMs: number
}

/** Checks each call before its first message is read: its host and origin, its token, and the number of calls. */
export class CallGuard {
  readonly #options: CallGuardOptions
  readonly #callers = new WeakMap<Metadata, { readonly caller: Caller; readonly holder: string }>()
  /** Counts the messages of each address as those of a caller. */
  readonly #addresses: CallerLimits | null
  /** The places of calls by the paths that share them. Callers hold them, or their addresses until they are known. */
  readonly #places: readonly { readonly paths: RegExp; readonly places: Places }[]
  #calls = 0

  constructor(options: CallGuardOptions) {
    this.#options = options
    const { clock, rateLimitPerSecond: ratePerSecond, maxCalls } = options
    // Callers without a token may call health and reflection, so these calls leave the places of all others free.
    this.#places = [
      { paths: isUncounted, places: new Places({ max: maxHealthCalls, what: 'calls ask for the health' }) },
      { paths: reflectionPath, places: new Places({ max: maxReflections, what: 'calls ask for the interface' }) },
      { paths: /^/, places: new Places({ max: maxCalls, what: 'calls are open' }) },
    ]
    this.#addresses =
      ratePerSecond === null ? null : new CallerLimits({ clock, limits: { ratePerSecond, inFlight: null, allInFlight: Number.MAX_SAFE_INTEGER } })
  }

  /** The caller of a call that was let in. */
  callerOf(metadata: Metadata): Caller {
    return this.#letIn(metadata).caller
  }

  /** The name under which a call that was let in holds its place. */
  holderOf(metadata: Metadata): string {
    return this.#letIn(metadata).holder
  }

  /** The calls that have no status yet. */
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
    /** The bytes of the messages that have come and are not answered. */
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
    /** A call may not keep its place without a message coming, and a stream not between its messages. */
    const waitForMessage = () => {
      cancelTimer()
      cancelTimer = clock.after(messageMs, () =>
        refuse({ code: status.DEADLINE_EXCEEDED, details: 'The message took too long to arrive', metadata: new Metadata() }),
      )
    }
    /** A stream may be open for longer than its token is valid, so the token is looked up for each message. */
    const stillKnown = (go: () => void) => {
      if (letIn === null || isOver) return go()
      this.#callerWith(letIn, call.getHost(), path)
        .then((caller) => {
          if (letIn !== null) this.#callers.set(letIn, { caller, holder: this.holderOf(letIn) })
          go()
        })
        .catch((thrown: unknown) => refuse(statusOf(thrown, '')))
    }
    this.#calls++
    // The library tells no cancellation of a stream that was reset before the call began.
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
                // The callers of a proxy have one address.
                const holder = caller.name === '' ? address : `caller ${caller.name}`
                if (holder !== address) {
                  leave()
                  leave = places.take(holder)
                }
                this.#callers.set(metadata, { caller, holder })
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
        // Each message of a stream has one answer, in their order.
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

  #letIn(metadata: Metadata) {
    const found = this.#callers.get(metadata)
    if (found === undefined) throw new Error('The call has not passed the guard')
    return found
  }

  #placesOf(path: string): Places {
    const found = this.#places.find(({ paths }) => paths.test(path))
    if (found === undefined) throw new Error('Each path has places')
    return found.places
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

const reflectionPath = /^\/grpc\.reflection\./

/** Methods that need no token, as their counterparts over HTTP: health, and the description of the interface. */
const openPath =
  /^\/(grpc\.health\.v1\.Health\/|grpc\.reflection\.v1(alpha)?\.ServerReflection\/|inference\.GRPCInferenceService\/Server(Live|Ready|Metadata)$)/

/** The bytes ahead of a message: a flag and its length. */
const frameBytes = 5
const maxHealthCalls = 1000
const maxReflections = 100
