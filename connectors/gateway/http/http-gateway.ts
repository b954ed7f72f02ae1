import helmet from '@fastify/helmet'
import multipart from '@fastify/multipart'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import underPressure from '@fastify/under-pressure'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { Clock, Random } from '../../../processor/ports.ts'
import type { Requests } from '../../../topology/swarm/requests.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { RequestIdentity } from '../request-identity.ts'
import { healthRoutes } from './health-routes.ts'
import { ProblemError, problemOf, sendProblem } from './problem.ts'
import { requestRoutes } from './request-routes.ts'

export interface HttpGatewayOptions {
  readonly requests: Requests
  readonly clock: Clock
  readonly random: Random
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly requestTimeoutMs: number
  readonly maxBodyBytes: number
  /** All bodies that are being read at once. */
  readonly maxBodiesBytes: number
  readonly rateLimitPerSecond: number | null
  /** Why requests cannot be answered now, or null. */
  readonly notReady: () => string | null
  readonly onError: (error: unknown) => void
  /** Told of each request to a gateway when it has been answered. */
  readonly onAnswered: (answered: AnsweredRequest) => void
  /** All that this process measures, in Prometheus' text format. */
  readonly metrics: () => string
}

export interface AnsweredRequest {
  /** Null where there is no such gateway. */
  readonly gateway: string | null
  readonly call: 'request' | 'submit'
  readonly status: number
  readonly durationMs: number
}

export interface HttpGateway {
  readonly url: string
  /** Takes no new request and settles when those that came are answered. */
  close(): Promise<void>
}

/** The HTTP entrance of all swarms of this process. WAGGLE_PORT_IN_USE where it cannot listen. */
export async function openHttpGateway(options: HttpGatewayOptions): Promise<HttpGateway> {
  const app = await httpGateway(options)
  try {
    await app.listen({ host: options.host, port: options.port })
  } catch (cause) {
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
  const address = app.server.address()
  const port = address !== null && typeof address === 'object' ? address.port : options.port
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    close: () => {
      closed ??= app.close().then(() => {})
      return closed
    },
  }
}

/** The application, not listening yet. */
async function httpGateway(options: HttpGatewayOptions): Promise<FastifyInstance> {
  const identity = new RequestIdentity(options.clock, options.random)
  const app = fastify({
    bodyLimit: options.maxBodyBytes,
    genReqId: () => identity.fresh(),
    requestTimeout: slowestBodyMs,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: 300 },
    clientErrorHandler(error, socket) {
      if (error.code === 'ECONNRESET' || !socket.writable) return
      const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request'
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    },
  })
  app.setErrorHandler((error, request, reply) => answerError(error, request.id, reply, options.onError))
  app.setNotFoundHandler((request, reply) =>
    answerError(
      new ProblemError(404, 'WAGGLE_NOT_FOUND', `There is nothing at ${request.method} ${request.url.split('?', 1)[0]}`),
      request.id,
      reply,
      options.onError,
    ),
  )
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
  })
  app.addHook('onSend', async (request, reply) => {
    if (!reply.hasHeader('x-request-id')) reply.header('x-request-id', request.id)
    // A connection that is kept alive would keep the server open until its client lets go.
    if (isClosing) reply.header('connection', 'close')
  })
  tellOfAnswers(app, options)
  boundBodies(app, options)
  // Plain HTTP on loopback, or behind a proxy that speaks TLS and says so itself.
  await app.register(helmet, {
    strictTransportSecurity: false,
    contentSecurityPolicy: { directives: { defaultSrc: ["'self'"], upgradeInsecureRequests: null } },
  })
  // Every content type is an input; what must be checked in it is checked where the body is read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  await app.register(multipart, { limits: { fileSize: options.maxBodyBytes, files: 2, fields: 100, fieldSize: 1024 * 1024 } })
  await app.register(underPressure, { maxEventLoopDelay: 2000, retryAfter: 1, exposeStatusRoute: false })
  if (options.rateLimitPerSecond !== null) {
    await app.register(rateLimit, {
      max: options.rateLimitPerSecond,
      timeWindow: 1000,
      errorResponseBuilder: () => new ProblemError(429, 'WAGGLE_RATE_LIMIT', 'More requests a second than this gateway takes from one address', 1),
    })
  }
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Waggle', version: '1', description: 'Requests to the swarms of this process.' } },
  })
  await app.register(async (scope) => {
    requestRoutes(scope, { requests: options.requests, identity, clock: options.clock, requestTimeoutMs: options.requestTimeoutMs })
    healthRoutes(scope, options)
  })
  await app.ready()
  return app
}

function tellOfAnswers(app: FastifyInstance, { requests, onAnswered }: HttpGatewayOptions): void {
  app.addHook('onResponse', async ({ routeOptions, params }, { statusCode, elapsedTime }) => {
    const call = /^\/v1\/gateways\/:gateway\/(request|submit)$/.exec(routeOptions.url ?? '')?.[1]
    if (call !== 'request' && call !== 'submit') return
    const { gateway } = params as { readonly gateway: string }
    onAnswered({ gateway: requests.gateways.includes(gateway) ? gateway : null, call, status: statusCode, durationMs: elapsedTime })
  })
}

/** Bodies stay in memory until their request is answered: all of them together have a bound. */
function boundBodies(app: FastifyInstance, { maxBodiesBytes, maxBodyBytes }: HttpGatewayOptions): void {
  let held = 0
  app.addHook('onRequest', async (request, reply) => {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    const bytes = encoding === undefined ? Number(length ?? 0) : maxBodyBytes
    if (bytes === 0 || bytes > maxBodyBytes) return
    if (held + bytes > maxBodiesBytes) throw new ProblemError(503, 'WAGGLE_OVERLOADED', `${held} bytes of requests are in flight`, 1)
    held += bytes
    reply.raw.once('close', () => {
      held -= bytes
    })
  })
}

function answerError(thrown: unknown, requestId: string, reply: FastifyReply, onError: (error: unknown) => void): FastifyReply {
  const { retryAfterSeconds, ...problem } = problemOf(thrown, requestId)
  const given = reply.getHeader('x-request-id')
  if (problem.status === 500) onError(thrown)
  if (retryAfterSeconds !== null) reply.header('retry-after', String(retryAfterSeconds))
  // What is left of the body is not worth reading.
  if (problem.status === 413 || problem.status === 503) reply.header('connection', 'close')
  return sendProblem(reply, typeof given === 'string' ? { ...problem, request_id: given } : problem)
}

/** A body of the largest size over a slow line; past it the connection is closed (a slow client holds memory). */
const slowestBodyMs = 120_000
