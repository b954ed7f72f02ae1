import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import underPressure from '@fastify/under-pressure'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { Clock } from '../../../processor/ports.ts'
import { apiVersion, apiVersionHeader, oldestApiVersion } from '../../../topology/api-version.ts'
import type { ErrorCode } from '../../../topology/error-codes.ts'
import { ownMember } from '../../../topology/own-member.ts'
import { ownPackage } from '../../../topology/own-package.ts'
import type { InferenceModels } from '../../../topology/swarm/inference-models.ts'
import type { LogManagement } from '../../../topology/swarm/log-management.ts'
import type { Page } from '../../../topology/swarm/page.ts'
import type { Tracing } from '../../../topology/swarm/ports/tracing.ts'
import type { PredictionNumbers } from '../../../topology/swarm/prediction-numbers.ts'
import type { ProcessDebug } from '../../../topology/swarm/process-debug.ts'
import type { RequestEvents } from '../../../topology/swarm/request/request-events.ts'
import type { Requests } from '../../../topology/swarm/request/requests.ts'
import { type AnswerMemory, type Answers, inlineAnswers, uncounted } from '../../../topology/swarm/request/whole-answers.ts'
import type { SwarmManagement } from '../../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { CrossOrigin } from '../../http/cross-origin.ts'
import { type OwnNames, ownNames, siteRefusal } from '../../http/same-site.ts'
import { securityHeaders } from '../../http/security-headers.ts'
import type { TlsFiles } from '../../http/tls-files.ts'
import type { Callers } from '../access/caller.ts'
import type { CallerLimits } from '../access/caller-limits.ts'
import { type CallerPlaces, placesOfFollowers } from '../access/caller-places.ts'
import { guardRoutes, type ManagedCall, type RouteScope } from '../access/route-guard.ts'
import { Intake } from '../intake.ts'
import type { RequestIds } from '../request-ids.ts'
import type { TracedArrival } from '../traced-arrival.ts'
import { countBody } from './answer-reader.ts'
import { type Backups, backupRoutes } from './backup-routes.ts'
import { BodyLimits } from './body-limits.ts'
import { boundConnections } from './bounded-connections.ts'
import { debugRoutes } from './debug-routes.ts'
import { describedRoute, type RouteSchema } from './described-route.ts'
import { eventRoutes } from './event-routes.ts'
import { healthRoutes } from './health-routes.ts'
import { inferenceRoutes } from './inference-routes.ts'
import { KnownMethods } from './known-methods.ts'
import { LastingPressure } from './lasting-pressure.ts'
import { liveRoutes } from './live-routes.ts'
import { managementRoutes } from './management-routes.ts'
import { pageRoutes } from './page-routes.ts'
import { predictionRoutes } from './prediction-routes.ts'
import { ProblemError, problemOf, rawProblem, sendProblem } from './problem.ts'
import { requestRoutes } from './request-routes.ts'
import { type SecretRegistry, secretRoutes } from './secret-routes.ts'
import { swarmRoutes } from './swarm-routes.ts'
import { type TokenRegistry, tokenRoutes } from './token-routes.ts'

export interface HttpGatewayOptions {
  readonly requests: Requests
  /** Gives large answers as a whole. Default: every answer is in its record. */
  readonly answers?: Answers
  /** Counts the answers that callers have not read yet. Default: they are not counted. */
  readonly memory?: AnswerMemory
  /** Topics and dead letters for operators. Undefined: the server has no such routes. */
  readonly management?: LogManagement
  /** The page at `/`. Undefined: the server has no page. */
  readonly page?: Page
  /** Numbers about saved predictions. Undefined: the server has no such routes. */
  readonly predictions?: PredictionNumbers
  /** The events of requests. Undefined: callers cannot follow requests. */
  readonly events?: RequestEvents
  /** The places of callers that follow requests. Default: separate places for this server. */
  readonly followers?: CallerPlaces
  /** The tokens of callers, or `noTokens`. */
  readonly callers: Callers
  /** The tokens that operators manage. Undefined: the server has no such routes. */
  readonly tokens?: TokenRegistry
  /** Management of the swarms of this process. Undefined: the server has no such routes. */
  readonly swarms?: SwarmManagement
  /** Management of log levels, and profiles. Undefined: the server has no such routes. */
  readonly debug?: ProcessDebug
  /** Backups of the data directory. Undefined: the server has no such route. */
  readonly backups?: Backups
  /** The stored secrets that operators manage. Undefined: the server has no such routes. */
  readonly secrets?: SecretRegistry
  /** Records spans of requests. Undefined: no spans are recorded. */
  readonly tracing?: Tracing
  /** The swarms as models of the Open Inference Protocol. Undefined: the server has no such routes. */
  readonly models?: InferenceModels
  /** The limits of each caller. Undefined: only the limits of the swarms apply. */
  readonly limits?: CallerLimits
  readonly clock: Clock
  readonly requestIds: RequestIds
  /** The certificate for HTTPS. Undefined: plain HTTP. */
  readonly tls?: TlsFiles
  /** Called for each call that manages something, for the audit log. */
  readonly onManaged?: (call: ManagedCall) => void
  /** Called with a notice for operators, for example if a certificate cannot be read. */
  readonly onNotice?: (notice: string) => void
  readonly host: string
  /** The port to listen on; 0 for any free port. */
  readonly port: number
  readonly requestTimeoutMs: number
  readonly maxBodyBytes: number
  /** The size limit of all bodies together. A body counts until its request is answered. Only bytes that have arrived count. */
  readonly maxBodiesBytes: number
  /** The most open connections. The number must be below the process's limit of open files. */
  readonly maxConnections: number
  /** Names under which callers may reach this server, in addition to the loopback names and `host`: `name`, or `name:port`. */
  readonly names: readonly string[]
  /** Time limits for callers. Default: `usualTimeLimits`. */
  readonly timeLimits?: TimeLimits
  /** The origins of web pages that may call gateways from a browser. Default: none. */
  readonly origins?: readonly string[]
  readonly rateLimitPerSecond: number | null
  /** The reason why requests cannot be answered now; null if the server is ready. */
  readonly notReady: () => string | null
  /** Called with the error of each answer that has the status 500. */
  readonly onError: (error: unknown, requestId: string) => void
  /** Called for each request to a gateway when its answer has been sent. */
  readonly onAnswered: (answered: AnsweredRequest) => void
  /** All metrics of this process in a format of Prometheus. */
  readonly metrics: (format: 'text' | 'openmetrics') => string
}

export interface TimeLimits {
  /** The time limit for the headers of a request, counted from the start of the connection or of the request. */
  readonly headersMs: number
  /** The time limit from the first byte of a request to the last byte of its body. */
  readonly requestMs: number
  /** The longest time between two requests of a connection, and the longest time for which a caller may read no byte of its answer. */
  readonly idleMs: number
  /** The lowest rate of a body, measured over `slowWindowMs`. A body below this rate is refused with 408. */
  readonly minBytesPerSecond: number
  readonly slowWindowMs: number
}

/** Two minutes are enough for a body of the largest size over a slow line. */
const usualTimeLimits: TimeLimits = { headersMs: 10_000, requestMs: 120_000, idleMs: 72_000, minBytesPerSecond: 4096, slowWindowMs: 5000 }

declare module 'fastify' {
  interface FastifyRequest {
    /** The trace of a request to a gateway; null before its input has been read. */
    arrival: TracedArrival | null
  }
}

export interface AnsweredRequest {
  /** The name of a gateway; null if the request names an unknown one. */
  readonly gateway: string | null
  readonly call: 'request' | 'submit'
  readonly status: number
  readonly durationMs: number
  /** The trace that the request belongs to; null if it belongs to none. */
  readonly traceId: string | null
}

export interface HttpGateway {
  readonly url: string
  /** The number of bytes that are held for bodies whose requests have no answer yet. */
  readonly heldBytes: number
  /** Refuses new requests. Settles when the open requests are answered. With `within`, settles soon after that time at the latest. */
  close(within?: CloseWithin): Promise<void>
}

export interface CloseWithin {
  readonly timeoutMs: number
  /**
   * Called at the timeout. The function must fail the requests that wait for an outcome. Connections without a complete request are closed a moment
   * later.
   */
  readonly onTimeout: () => void
}

/**
 * Opens the HTTP gateway of all swarms of this process. Throws WAGGLE_PORT_IN_USE, or WAGGLE_LISTEN if listening on the address fails for another
 * reason.
 */
export async function openHttpGateway(options: HttpGatewayOptions): Promise<HttpGateway> {
  const bodies = new BodyLimits({ ...(options.timeLimits ?? usualTimeLimits), ...options })
  const app = await httpGateway(options, bodies)
  const unfollow = followCertificate(app, options)
  try {
    await app.listen({ host: options.host, port: options.port })
  } catch (cause) {
    unfollow()
    const { code, message } = cause as NodeJS.ErrnoException
    await app.close()
    throw new WaggleError(code === 'EADDRINUSE' ? 'WAGGLE_PORT_IN_USE' : 'WAGGLE_LISTEN', {
      message:
        code === 'EADDRINUSE'
          ? `Port ${options.port} of ${options.host} is in use`
          : `${options.host}:${options.port} cannot be listened on: ${message}`,
      next: 'Stop the program that has it, or set WAGGLE_HTTP_PORT to another port.',
      cause,
    })
  }
  let closed: Promise<void> | null = null
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${options.host.includes(':') ? `[${options.host}]` : options.host}:${portOf(app, options.port)}`,
    get heldBytes() {
      return bodies.heldBytes
    },
    close: (within) => {
      unfollow()
      closed ??= closeWithin(app, options.clock, within)
      return closed
    },
  }
}

function followCertificate(app: FastifyInstance, { tls, clock, onNotice = () => {} }: HttpGatewayOptions): () => void {
  return tls !== undefined && app.server instanceof HttpsServer ? tls.follow(app.server, clock, onNotice) : () => {}
}

async function closeWithin(app: FastifyInstance, clock: Clock, within: CloseWithin | undefined): Promise<void> {
  const closed = app.close()
  const cancels =
    within === undefined
      ? []
      : [clock.after(within.timeoutMs, within.onTimeout), clock.after(within.timeoutMs + lastAnswersMs, () => app.server.closeAllConnections())]
  try {
    await closed
  } finally {
    for (const cancel of cancels) cancel()
  }
}

/** The error for a parameter or a header that its schema refuses. */
function wrongPart([error]: readonly { readonly instancePath: string; readonly message?: string }[], part: string): ProblemError {
  const name = error?.instancePath.replace(/^\//, '') ?? ''
  return new ProblemError('WAGGLE_BAD_REQUEST', `${name === '' ? part : name} ${error?.message ?? 'is wrong'} (${part}; /openapi.json describes it)`)
}

/** The time to send the last answers, for requests that failed because the gateway stops. */
const lastAnswersMs = 1000

/** The Fastify application, before it listens. */
async function httpGateway(options: HttpGatewayOptions, bodies: BodyLimits): Promise<FastifyInstance> {
  const { requestIds } = options
  const intake = new Intake(options)
  const { answers = inlineAnswers } = options
  const { headersMs, requestMs, idleMs } = options.timeLimits ?? usualTimeLimits
  const app = fastify({
    genReqId: () => requestIds.fresh(),
    serverFactory: (handler) => {
      const limits = {
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        keepAliveTimeout: idleMs,
        connectionsCheckingInterval: Math.min(1000, headersMs / 4),
        // `siteRefusal` refuses a missing Host header with a problem as the body. Node's own refusal has no such body.
        requireHostHeader: false,
      }
      return options.tls === undefined ? createHttpServer(limits, handler) : createHttpsServer({ ...limits, ...options.tls.serverOptions() }, handler)
    },
    forceCloseConnections: 'idle',
    // Fastify's own answer while it closes is no problem, and has no request id.
    return503OnClosing: false,
    // The schemas of routes limit names to 255 characters. In a path, each character may take twelve characters (`%F0%9F%90%9D`).
    routerOptions: { maxParamLength: 4096 },
    schemaErrorFormatter: (errors, part) => wrongPart(errors, part),
    frameworkErrors: (error, request, reply) => void answerError(error, request.id, reply.header('x-request-id', request.id), options.onError),
    clientErrorHandler: (error, socket) => answerUnparsed(error, socket, requestIds.fresh()),
  })
  const endConnections = boundConnections(app.server, options)
  // `BodyLimits` sends `100 Continue` when it starts to read the body.
  app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => void app.server.emit('request', request, response))
  app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => void app.server.emit('request', request, response))
  app.setErrorHandler((error, request, reply) => answerError(error, request.id, reply, options.onError))
  app.setNotFoundHandler((request, reply) =>
    answerError(
      new ProblemError('WAGGLE_NOT_FOUND', `There is nothing at ${request.method} ${request.url.split('?', 1)[0]}`),
      request.id,
      reply,
      options.onError,
    ),
  )
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
    endConnections()
  })
  app.addHook('onRequest', (_request, _reply, done) => {
    if (isClosing) throw new ProblemError('WAGGLE_STOPPING', 'This process is stopping', 1)
    done()
  })
  const headers = securityHeaders()
  const hasOrigins = (options.origins ?? []).length > 0
  const { memory = uncounted } = options
  // Hooks that wait for nothing take a callback. An async hook would cost each request a promise and a turn of the microtask queue.
  app.addHook('onSend', (request, reply, body, done) => {
    countBody(reply, body, memory)
    // The page sets its own content security policy.
    const own = reply.getHeader('content-security-policy')
    reply.headers(own === undefined ? headers : { ...headers, 'content-security-policy': own })
    // A cache must not serve the answer for one origin to another origin.
    if (hasOrigins) reply.header('vary', [reply.getHeader('vary') ?? [], 'origin'].flat().join(', '))
    if (!reply.hasHeader('x-request-id')) reply.header('x-request-id', request.id)
    // A connection that is kept alive would hold the closing server open until the client closes the connection.
    if (isClosing) reply.header('connection', 'close')
    // This timeout ends a connection whose client does not read its answer. Node clears the timeout at the next request.
    reply.raw.socket?.setTimeout(idleMs)
    done()
  })
  refuseBeforeBody(app, options, bodies)
  const { callers, onManaged = () => {} } = options
  if (options.rateLimitPerSecond !== null) await limitAddresses(app, options.rateLimitPerSecond)
  guardRoutes(app, { callers, requestIds, onManaged })
  reportAnswers(app, options)
  // A gateway accepts every content type, so Fastify parses no body: the routes read the bodies themselves.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_, __, done) => done(null))
  const pressure = new LastingPressure(options.clock)
  await app.register(underPressure, {
    maxEventLoopDelay: 2000,
    exposeStatusRoute: false,
    pressureHandler: () => {
      if (pressure.sees()) throw new ProblemError('WAGGLE_OVERLOADED', 'This process has more to do than it can at once', 1)
    },
  })
  await app.register(swagger, {
    transform: ({ schema, url, route }) => ({ schema: describedRoute(schema as RouteSchema | undefined, route.config ?? {}), url }),
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Waggle', version: '1', description: 'Requests to the swarms of this process.' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'A token; none is needed where there are none.' } } },
    },
  })
  await app.register(async (scope) => {
    const { requests, clock, events, followers = placesOfFollowers() } = options
    requestRoutes(scope, { requests, answers, memory, bodies, intake, clock, followers, ...(events === undefined ? {} : { events }) })
    if (events !== undefined) eventRoutes(scope, { requests, answers, memory, events, clock, followers })
    healthRoutes(scope, options)
  })
  const { management, page, predictions, clock, tokens, secrets, swarms, debug, models, backups } = options
  if (models !== undefined) await app.register(async (scope) => inferenceRoutes(scope, { ...options, answers, models, intake, bodies }))
  if (page !== undefined) await app.register(async (scope) => pageRoutes(scope, page))
  if (swarms !== undefined) await app.register(async (scope) => swarmRoutes(scope, { swarms, bodies }))
  if (management !== undefined)
    await app.register(async (scope) => {
      managementRoutes(scope, management)
      if (page !== undefined) liveRoutes(scope, { page, clock })
    })
  if (predictions !== undefined) await app.register(async (scope) => predictionRoutes(scope, predictions))
  if (debug !== undefined) await app.register(async (scope) => debugRoutes(scope, debug, bodies))
  if (tokens !== undefined) await app.register(async (scope) => tokenRoutes(scope, tokens, bodies))
  if (secrets !== undefined) await app.register(async (scope) => secretRoutes(scope, secrets, bodies))
  if (backups !== undefined) await app.register(async (scope) => backupRoutes(scope, backups, bodies))
  await app.ready()
  return app
}

function reportAnswers(app: FastifyInstance, { requests, onAnswered }: HttpGatewayOptions): void {
  app.decorateRequest('arrival', null)
  app.addHook('onResponse', ({ routeOptions, params, arrival }, { statusCode, elapsedTime }, done) => {
    arrival?.end(statusCode)
    const { url = '', config } = routeOptions
    const call = url.endsWith('/infer') ? 'request' : askingPaths.get(url)
    if (call !== undefined) {
      const gateway = config.gatewayOf?.(params) ?? (params as { readonly gateway: string }).gateway
      const known = requests.gateways.includes(gateway) ? gateway : null
      onAnswered({ gateway: known, call, status: statusCode, durationMs: elapsedTime, traceId: arrival?.traceId ?? null })
    }
    done()
  })
}

const askingPaths: ReadonlyMap<string, 'request' | 'submit'> = new Map([
  ['/v1/gateways/:gateway/request', 'request'],
  ['/v1/gateways/:gateway/submit', 'submit'],
])

/** Refuses a request before its body is read, if the headers alone are a reason to refuse. */
function refuseBeforeBody(app: FastifyInstance, options: HttpGatewayOptions, bodies: BodyLimits): void {
  let own: OwnNames | null = null
  const known = new KnownMethods(app)
  const crossOrigin = new CrossOrigin(options.origins ?? [])
  app.addHook('onRequest', ({ raw, method, url, is404, headers, routeOptions }, reply, done) => {
    own ??= ownNames({ host: options.host, port: portOf(app, options.port), names: options.names })
    const refusal = siteRefusal(raw, own)
    if (refusal !== null) {
      const origin = refusal.code === 'WAGGLE_CROSS_SITE' ? crossOrigin.originOf(headers) : null
      const { 'access-control-request-method': asked } = headers
      const isPreflight = method === 'OPTIONS' && asked !== undefined
      const methods = origin === null ? [] : known.withScopes(url, crossOriginScopes)
      if (origin === null || !(isPreflight ? methods.includes(asked) : !is404 && crossOriginScopes.has(routeOptions.config.scope)))
        throw new ProblemError(refusal.code, refusal.detail)
      if (isPreflight) {
        reply
          .code(204)
          .headers(crossOrigin.preflightAnswer(origin, methods, headers))
          .send()
        return
      }
      reply.headers(crossOrigin.answerTo(origin))
    }
    reply.header(apiVersionHeader, String(apiVersion))
    refuseOtherVersion(headers[apiVersionHeader])
    if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
      throw new ProblemError('WAGGLE_EXPECTATION', 'Expect may be 100-continue and nothing else')
    if (is404) {
      const [path = ''] = url.split('?', 1)
      const methods = known.of(path)
      if (methods.length === 0) throw new ProblemError('WAGGLE_NOT_FOUND', `There is nothing at ${method} ${path}`)
      reply.header('allow', methods.join(', '))
      throw new ProblemError('WAGGLE_METHOD_NOT_ALLOWED', `${path} takes ${methods.join(', ')}, not ${method}`)
    }
    bodies.refuseAhead(raw)
    done()
  })
}

/** Refuses a `waggle` command of a version that would misunderstand this server. Other callers send no version. */
function refuseOtherVersion(version: string | string[] | undefined): void {
  if (version === undefined) return
  const number = /^\d{1,6}$/.test(String(version)) ? Number(version) : Number.NaN
  if (number >= oldestApiVersion && number <= apiVersion) return
  const served = oldestApiVersion === apiVersion ? `version ${apiVersion}` : `versions ${oldestApiVersion} to ${apiVersion}`
  throw new ProblemError(
    'WAGGLE_CLIENT_VERSION',
    `The command speaks version ${String(version).slice(0, 20)} of the API, and this server ${served}: use the commands of waggle-streams ${ownPackage.version}`,
  )
}

/** The scopes of routes that pages of other sites may call. All other routes show the requests of everybody, or change what runs. */
const crossOriginScopes: ReadonlySet<RouteScope> = new Set(['ask', 'own', 'open'])

/** Limits the requests of one address. The plugin's own route hooks run after the guard, and would not count requests that the guard refuses. */
async function limitAddresses(app: FastifyInstance, perSecond: number): Promise<void> {
  await app.register(rateLimit, {
    global: false,
    max: perSecond,
    timeWindow: 1000,
    errorResponseBuilder: () => new ProblemError('WAGGLE_RATE_LIMIT', 'More requests a second than this gateway takes from one address', 1),
  })
  const limit = app.rateLimit()
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.rateLimit !== false) await limit.call(app, request, reply)
  })
}

function portOf(app: FastifyInstance, otherwise: number): number {
  const address = app.server.address()
  return address !== null && typeof address === 'object' ? address.port : otherwise
}

function answerError(thrown: unknown, requestId: string, reply: FastifyReply, onError: HttpGatewayOptions['onError']): FastifyReply {
  const { retryAfterSeconds, ...problem } = problemOf(thrown, requestId)
  const given = reply.getHeader('x-request-id')
  if (problem.status === 500) onError(thrown, requestId)
  if (retryAfterSeconds !== null) reply.header('retry-after', String(retryAfterSeconds))
  // The connection closes, which saves reading the rest of the body.
  if (closing.has(problem.status) || !reply.request.raw.complete) reply.header('connection', 'close')
  return sendProblem(reply, typeof given === 'string' ? { ...problem, request_id: given } : problem)
}

const closing: ReadonlySet<number> = new Set([408, 413, 503])

/** Answers a request that Node's HTTP parser could not parse. */
function answerUnparsed({ code }: NodeJS.ErrnoException, socket: Socket, requestId: string): void {
  // Bytes that are not a TLS handshake get no answer, because the caller could not read an answer without TLS.
  if (code === 'ECONNRESET' || /^(?:ERR_SSL|ERR_TLS|EPROTO)/.test(code ?? '')) {
    socket.destroy()
    return
  }
  // The connection ends without an answer, because an answer could cut off the answer to an earlier request of this connection.
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroySoon()
    return
  }
  const problem = ownMember(unparsed, code ?? '') ?? { code: 'WAGGLE_BAD_HTTP', detail: `The bytes are not an HTTP request (${code ?? 'unknown'})` }
  socket.end(rawProblem({ ...problem, requestId }))
  socket.destroySoon()
}

const unparsed: { readonly [code: string]: { readonly code: ErrorCode; readonly detail: string } } = {
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'WAGGLE_SLOW_REQUEST', detail: 'The request took too long to arrive' },
  HPE_HEADER_OVERFLOW: { code: 'WAGGLE_HEADERS_TOO_LARGE', detail: 'The headers are larger than 16 KiB' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { code: 'WAGGLE_BODY_TOO_LARGE', detail: 'The chunk extensions are too large' },
}
