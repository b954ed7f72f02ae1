import type { ServerHttp2Stream } from 'node:http2'
import {
  Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { Method, Service } from 'protobufjs'
import type { Clock } from '../../../processor/ports.ts'
import type { AnswerReader } from '../../../topology/swarm/request/whole-answers.ts'
import type { Caller } from '../access/caller.ts'
import { ProblemError } from '../http/problem.ts'
import { maxTimeoutSeconds } from '../intake.ts'
import { cutStream } from './call-stream.ts'
import { statusOf } from './grpc-status.ts'
import { decodedSmall } from './proto-file.ts'
import { ReceivedInput } from './received-input.ts'

/** A call, as the methods of the services see it. */
export interface GrpcCall {
  /** The caller, with the scopes that it had at the last message. */
  readonly caller: Caller
  /** The name under which the call holds places: the name of its caller, or its address if the caller has no token. */
  readonly holder: string
  /** Aborts when the caller cancels, leaves, or no longer waits. */
  readonly signal: AbortSignal
  /** The caller as the reader of an answer. It closes with the call. */
  reader(): AnswerReader
  /** Aborts when the process stops. A call that does not wait for a request then ends. */
  readonly stopping: AbortSignal
  /** The time until the call's deadline, in ms; null if the call has no deadline. */
  timeoutMs(): number | null
  /** The text in the call's metadata under this name; undefined if the metadata does not have this name. */
  header(name: string): string | undefined
  /** Sends metadata before the answer. */
  announce(name: string, value: string): void
}

/** The messages of a streaming answer. `send` settles when the caller has read the message, or has left. */
export interface AnswerStream {
  send(message: object): Promise<void>
}

/**
 * The functions behind a service's methods. A function returns one message, or sends several by `AnswerStream`. Messages have the form of protobufjs.
 * A method with `takesInput` gets each message as a ReceivedInput, and decodes the message after the request is admitted. The messages of all other
 * methods are small.
 */
export type GrpcMethods = { readonly [method: string]: GrpcMethod }

export type GrpcMethod = { readonly takesInput?: true } & (
  | { readonly unary: (message: never, call: GrpcCall) => Promise<object> }
  | { readonly stream: (message: never, call: GrpcCall, answers: AnswerStream) => Promise<void> }
  | { readonly bidi: (messages: AsyncIterable<never>, call: GrpcCall, answers: AnswerStream) => Promise<void> }
)

export interface ServiceOptions {
  /** The caller of a call whose metadata has passed the guard. */
  readonly callerOf: (metadata: Metadata) => Caller
  readonly holderOf: (metadata: Metadata) => string
  /** The HTTP/2 stream of a call whose metadata has passed the guard. */
  readonly streamOf: (metadata: Metadata) => ServerHttp2Stream
  readonly clock: Pick<Clock, 'after'>
  /** The current time in epoch milliseconds, the unit of gRPC deadlines. */
  readonly now: () => number
  readonly stopping: AbortSignal
  /** Called with the error of each call that ends with INTERNAL. */
  readonly onError: (error: unknown) => void
}

/** A service for a gRPC server, made from its declaration and the functions for its methods. */
export function grpcService(
  service: Service,
  methods: GrpcMethods,
  options: ServiceOptions,
): { readonly definition: ServiceDefinition; readonly implementation: UntypedServiceImplementation } {
  const declared = service.methodsArray.map((method) => ({ method, answer: methods[method.name] }))
  return {
    definition: Object.fromEntries(declared.map(({ method }) => [method.name, definitionOf(service, method)])),
    implementation: Object.fromEntries(
      declared.map(({ method, answer }) => {
        if (answer === undefined) throw new Error(`Nothing answers ${method.fullName}`)
        return [method.name, handlerOf(method, answer, options)]
      }),
    ),
  }
}

function definitionOf({ fullName }: Service, { name, requestStream, responseStream }: Method): ServiceDefinition[string] {
  return {
    path: `/${fullName.slice(1)}/${name}`,
    requestStream: requestStream === true,
    responseStream: responseStream === true,
    // The handler decodes the bytes. So an unreadable message gets its own status, and an input is decoded only after its request is admitted.
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    // The guard counts the bytes of answers, so the answer stays in bytes here.
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  }
}

/** The members that calls of all kinds have. */
interface Surface {
  readonly metadata: Metadata
  readonly cancelled: boolean
  getDeadline(): Date | number
  sendMetadata(metadata: Metadata): void
  on(event: 'cancelled', listener: () => void): unknown
}

/** The members that calls with a streaming answer have. */
interface Streaming extends Surface {
  readonly destroyed: boolean
  readonly writableEnded: boolean
  write(bytes: Buffer, taken: () => void): boolean
  emit(event: 'error', error: object): boolean
}

function handlerOf(
  { resolvedRequestType, resolvedResponseType }: Method,
  method: GrpcMethod,
  options: ServiceOptions,
): UntypedServiceImplementation[string] {
  if (resolvedRequestType === null || resolvedResponseType === null) throw new Error('A method has no type of its request or of its answer')
  const written = (message: object) => Buffer.from(resolvedResponseType.encode(message).finish())
  const read = (bytes: Buffer): never =>
    method.takesInput === true ? (new ReceivedInput(resolvedRequestType, bytes) as never) : decodedSmall<never>(resolvedRequestType, bytes)
  const failed = (thrown: unknown, { cancelled }: Surface) => {
    const status = statusOf(thrown, '')
    // The caller of a cancelled call gets no status any more, and an incomplete message is the caller's own fault.
    if (!cancelled && status.metadata.get('waggle-error')[0] === 'WAGGLE_INTERNAL') options.onError(thrown)
    return status
  }
  const end = (call: Streaming, thrown: unknown) => {
    const status = failed(thrown, call)
    if (!call.destroyed) call.emit('error', status)
  }
  if ('unary' in method) {
    return (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
      void answer(async () => written(await method.unary(read(call.request), grpcCall(call, options)))).then(
        (bytes) => done(null, bytes),
        (thrown: unknown) => done(failed(thrown, call)),
      )
    }
  }
  if ('stream' in method) {
    return (call: ServerWritableStream<Buffer, Buffer>) => {
      void answer(async () => method.stream(read(call.request), grpcCall(call, options), answersOn(call, written))).then(
        () => call.end(),
        (thrown: unknown) => end(call, thrown),
      )
    }
  }
  return (call: ServerDuplexStream<Buffer, Buffer>) => {
    const { stopping } = options
    let isIdle = true
    const messages = (async function* () {
      // A destroyed call could send no status, so the end of the iteration must not destroy the call.
      for await (const bytes of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        isIdle = false
        yield read(bytes)
        isIdle = true
        if (stopping.aborted) throw stoppingProblem()
      }
    })()
    const stop = () => {
      if (isIdle) end(call, stoppingProblem())
    }
    stopping.addEventListener('abort', stop, { once: true })
    void answer(async () => method.bidi(messages, grpcCall(call, options), answersOn(call, written)))
      .then(
        () => call.end(),
        (thrown: unknown) => end(call, thrown),
      )
      .finally(() => stopping.removeEventListener('abort', stop))
  }
}

export function stoppingProblem(): ProblemError {
  return new ProblemError('WAGGLE_STOPPING', 'This process is stopping: call again', 1)
}

/** Runs a method, and turns an error that it throws synchronously into a rejection. */
async function answer<T>(run: () => Promise<T>): Promise<T> {
  return run()
}

function grpcCall(call: Surface, { callerOf, holderOf, streamOf, clock, now, stopping }: ServiceOptions): GrpcCall {
  const left = new AbortController()
  call.on('cancelled', () => left.abort())
  if (call.cancelled) left.abort()
  const { metadata } = call
  let reader: AnswerReader | null = null
  return {
    get caller() {
      return callerOf(metadata)
    },
    holder: holderOf(metadata),
    signal: left.signal,
    reader() {
      if (reader !== null) return reader
      const stream = streamOf(metadata)
      const closed = new AbortController()
      // A stream closes when the caller has taken all messages and the status.
      stream.once('close', () => closed.abort())
      if (stream.destroyed) closed.abort()
      reader = { name: callerOf(metadata).name, closed: closed.signal, cut: () => cutStream(stream, clock) }
      return reader
    },
    stopping,
    timeoutMs() {
      const deadline = Number(call.getDeadline())
      return Number.isFinite(deadline) ? Math.min(Math.max(1, deadline - now()), maxTimeoutSeconds * 1000) : null
    },
    header(name) {
      const [value] = metadata.get(name)
      return typeof value === 'string' ? value : undefined
    },
    announce(name, value) {
      const sent = new Metadata()
      sent.set(name, value)
      call.sendMetadata(sent)
    },
  }
}

function answersOn(call: Streaming, written: (message: object) => Buffer): AnswerStream {
  let go = () => {}
  // grpc-js does not report that the caller of a waiting message has left.
  call.on('cancelled', () => go())
  return {
    send(message) {
      if (call.cancelled || call.destroyed || call.writableEnded) return Promise.resolve()
      return new Promise((resolve) => {
        go = resolve
        call.write(written(message), resolve)
      })
    },
  }
}
