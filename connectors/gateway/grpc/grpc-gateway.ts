import type { AddressInfo } from 'node:net'
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js'
import type { Clock } from '../../../processor/ports.ts'
import type { InferenceModels } from '../../../topology/swarm/inference-models.ts'
import type { Tracing } from '../../../topology/swarm/ports/tracing.ts'
import type { RequestEvents } from '../../../topology/swarm/request/request-events.ts'
import type { Requests } from '../../../topology/swarm/request/requests.ts'
import { type Answers, inlineAnswers } from '../../../topology/swarm/request/whole-answers.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { type OwnNames, ownNames } from '../../http/same-site.ts'
import type { TlsFiles } from '../../http/tls-files.ts'
import type { Callers } from '../access/caller.ts'
import type { CallerLimits } from '../access/caller-limits.ts'
import type { CallerPlaces } from '../access/caller-places.ts'
import type { AnsweredRequest, CloseWithin } from '../http/http-gateway.ts'
import { Intake } from '../intake.ts'
import type { RequestIds } from '../request-ids.ts'
import { httpStatusOf, type ReportedCall } from './asked-request.ts'
import { CallGuard } from './call-guard.ts'
import { gatewayMethods } from './gateway-service.ts'
import { GrpcConnections } from './grpc-connections.ts'
import { type GrpcMethods, grpcService } from './grpc-service.ts'
import { healthMethods } from './health-service.ts'
import { inferenceMethods } from './inference-service.ts'
import { ProtoFile } from './proto-file.ts'
import { reflectionMethods } from './reflection-service.ts'

/** The options of a gRPC gateway. A member that `HttpGatewayOptions` also has means the same here. */
export interface GrpcGatewayOptions {
  readonly requests: Requests
  readonly answers?: Answers
  readonly events?: RequestEvents
  readonly followers: CallerPlaces
  readonly models: InferenceModels
  readonly callers: Callers
  readonly limits?: CallerLimits
  readonly clock: Clock
  readonly requestIds: RequestIds
  readonly tls?: TlsFiles
  readonly onNotice?: (notice: string) => void
  readonly host: string
  readonly port: number
  readonly requestTimeoutMs: number
  /** The size limit of a message. */
  readonly maxBodyBytes: number
  /** The size limit of all messages of open calls together, and of all answers that no caller has read yet. */
  readonly maxBodiesBytes: number
  readonly maxConnections: number
  readonly names: readonly string[]
  readonly rateLimitPerSecond: number | null
  readonly notReady: () => string | null
  /** Called with the error of each call that ends with INTERNAL because of an error in this process. */
  readonly onError: (error: unknown) => void
  readonly onAnswered: (answered: AnsweredRequest) => void
  /** Records spans of requests. Undefined: no spans are recorded. */
  readonly tracing?: Tracing
  /** The time limit for the message of a call, and for a caller to read a message of its answer. Default: two minutes. */
  readonly messageMs?: number
  /** The most calls at once. Default: the constant `maxCalls`. */
  readonly maxCalls?: number
}

export interface GrpcGateway {
  /** The address in the form that gRPC clients take: `HOST:PORT`. */
  readonly address: string
  /** Refuses new calls. Settles when the open calls have ended. With `within`, settles soon after that time at the latest. */
  close(within?: CloseWithin): Promise<void>
}

/**
 * Opens the gRPC gateway of all swarms of this process: the Open Inference Protocol, Waggle's own service, health and reflection. Throws
 * WAGGLE_PORT_IN_USE, or WAGGLE_LISTEN if listening on the address fails for another reason.
 */
export async function openGrpcGateway(options: GrpcGatewayOptions): Promise<GrpcGateway> {
  const { clock, host, port, tls, maxBodyBytes, maxBodiesBytes, maxConnections, onNotice = () => {} } = options
  // grpc-js writes a header that it cannot parse to standard error, with its value, before any check. The value may be a token.
  setLogVerbosity(logVerbosity.NONE)
  const messageMs = options.messageMs ?? usualMessageMs
  const connections = new GrpcConnections({
    clock,
    answerMs: messageMs,
    ...(tls === undefined ? {} : { tls }),
    maxConnections,
    maxBytes: maxBodiesBytes,
    onConnection: (socket) => injector.injectConnection(socket),
  })
  const portNow = () => (connections.server.address() as AddressInfo | null)?.port ?? port
  let own: OwnNames | null = null
  const guard = new CallGuard({
    callers: options.callers,
    clock,
    connections,
    ownNames: () => {
      own ??= ownNames({ host, port: portNow(), names: options.names })
      return own
    },
    rateLimitPerSecond: options.rateLimitPerSecond,
    maxCalls: options.maxCalls ?? usualMaxCalls,
    messageMs,
  })
  const server = new Server({
    interceptors: [guard.interceptor],
    'grpc.max_receive_message_length': maxBodyBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': maxStreams,
    'grpc.max_connection_idle_ms': idleMs,
    'grpc.enable_channelz': 0,
  })
  const stopping = new AbortController()
  addServices(server, { guard, stopping: stopping.signal }, options)
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const unfollow = connections.followCertificate(onNotice)
  try {
    await listening(connections, host, port)
  } catch (cause) {
    unfollow()
    server.forceShutdown()
    const { code, message } = cause as NodeJS.ErrnoException
    const next = 'Stop the program that has it, or set WAGGLE_GRPC_PORT to another port.'
    if (code === 'EADDRINUSE') throw new WaggleError('WAGGLE_PORT_IN_USE', { message: `Port ${port} of ${host} is in use`, next, cause })
    throw new WaggleError('WAGGLE_LISTEN', { message: `${host}:${port} cannot be listened on: ${message}`, next, cause })
  }
  let closed: Promise<void> | null = null
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${portNow()}`,
    close(within) {
      unfollow()
      stopping.abort()
      closed ??= closeServer(server, { connections, guard, clock }, within)
      return closed
    },
  }
}

function addServices(
  server: Server,
  { guard, stopping }: { readonly guard: CallGuard; readonly stopping: AbortSignal },
  options: GrpcGatewayOptions,
): void {
  const { clock, onError, notReady, models } = options
  const intake = new Intake(options)
  const report = reporter(options)
  const files = ['inference.proto', 'waggle.proto', 'health.proto', 'reflection-v1.proto', 'reflection-v1alpha.proto'].map(
    (name) => new ProtoFile(name),
  )
  const [inference, waggle, health, ...reflections] = files
  if (inference === undefined || waggle === undefined || health === undefined) return
  const { answers = inlineAnswers } = options
  const common = { ...options, answers, intake, report }
  const own: readonly (readonly [ProtoFile, string, GrpcMethods])[] = [
    [inference, 'inference.GRPCInferenceService', inferenceMethods({ ...common, models })],
    [waggle, 'waggle.v1.Gateway', gatewayMethods(common)],
  ]
  const services = [...own.map(([, name]) => name), 'grpc.health.v1.Health', ...reflections.map(({ name }) => reflectionService(name))]
  const all = [
    ...own,
    [health, 'grpc.health.v1.Health', healthMethods({ services: new Set(services), notReady, clock })] as const,
    ...reflections.map((file) => [file, reflectionService(file.name), reflectionMethods({ files, services })] as const),
  ]
  for (const [file, name, methods] of all) {
    const { definition, implementation } = grpcService(file.service(name), methods, {
      callerOf: (metadata) => guard.callerOf(metadata),
      holderOf: (metadata) => guard.holderOf(metadata),
      streamOf: (metadata) => guard.streamOf(metadata),
      clock,
      now: () => Date.now(),
      stopping,
      onError,
    })
    server.addService(definition, implementation)
  }
}

function reflectionService(file: string): string {
  return `grpc.reflection.${file.includes('v1alpha') ? 'v1alpha' : 'v1'}.ServerReflection`
}

/** Reports calls of gateways with the status that HTTP would have. */
function reporter({ clock, requests, onAnswered }: GrpcGatewayOptions): ReportedCall {
  return async (gateway, call, run) => {
    const startedMs = clock.elapsedMs()
    const answered = (status: number) =>
      onAnswered({
        gateway: requests.gateways.includes(gateway) ? gateway : null,
        call,
        status,
        durationMs: clock.elapsedMs() - startedMs,
        traceId: null,
      })
    try {
      const result = await run()
      answered(call === 'submit' ? 202 : 200)
      return result
    } catch (thrown) {
      answered(httpStatusOf(thrown))
      throw thrown
    }
  }
}

function listening({ server }: GrpcConnections, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      // A connection that cannot be accepted is a problem of its caller only.
      server.on('error', () => {})
      resolve()
    })
  })
}

/**
 * Closes the server after its open calls. `tryShutdown` of grpc-js does not wait for open calls, because Node closes the sessions of a server that
 * closes.
 */
async function closeServer(
  server: Server,
  { connections, guard, clock }: { readonly connections: GrpcConnections; readonly guard: CallGuard; readonly clock: Clock },
  within: CloseWithin | undefined,
): Promise<void> {
  const closed = connections.close()
  // `tryShutdown` tells clients to send no more calls on their connections. A connection ends with its last call.
  server.tryShutdown(() => {})
  const cut = () => {
    server.forceShutdown()
    connections.cut()
  }
  // A client that ends neither its call nor its connection gets its last answer, and no more time.
  let cancelLook = () => {}
  const look = () => {
    cancelLook = guard.openCalls === 0 ? clock.after(lastAnswersMs, cut) : clock.after(lookMs, look)
  }
  look()
  const cancels = within === undefined ? [] : [clock.after(within.timeoutMs, within.onTimeout), clock.after(within.timeoutMs + lastAnswersMs, cut)]
  try {
    await closed
  } finally {
    cancelLook()
    for (const cancel of cancels) cancel()
  }
}

const lookMs = 50
const usualMaxCalls = 10_000
const usualMessageMs = 120_000
const maxStreams = 100
const idleMs = 300_000
/** The time to send the last answers, for requests that failed because the gateway stops. */
const lastAnswersMs = 1000
