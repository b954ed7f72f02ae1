import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isLoopback } from '../../http/loopback.ts'
import { ProblemError } from '../http/problem.ts'
import type { RequestIds } from '../request-ids.ts'
import { anybody, type Caller, type Callers } from './caller.ts'
import { knownCaller, missingToSee, scopeMissing, Unauthenticated } from './known-caller.ts'
import { isScope, type Scope } from './scopes.ts'

/**
 * The permission that a route needs. `open`: none; everybody may call the route. `ask`: the scope `ask` for the gateway in the path (`:gateway`).
 * `own`: the request in the path (`:id`) is the caller's own, or the caller has the scope `read`. `read` and `manage`: the scope of that name.
 */
export type RouteScope = 'open' | 'ask' | 'own' | 'read' | 'manage'

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly scope: RouteScope
    /** True: without tokens, callers on other machines may call this route too, through a proxy. */
    readonly isOpenWithoutTokens?: boolean
    /** Returns the gateway whose `ask` scope the route needs, from the parameters of the path. Default: `:gateway`. */
    readonly gatewayOf?: (params: unknown) => string
  }
  interface FastifyRequest {
    /** True once the guard has let the call pass. */
    isPermitted: boolean
    /** The caller; `anybody` if there are no tokens, or on open routes for a call without a token. */
    caller: Caller
    /** The name of what the call creates, which the path does not have; empty for none. The audit log has it. */
    target: string
  }
}

/** A call that changed what runs, or attempted a change. */
export interface ManagedCall {
  /** The caller's name; empty if there are no tokens. */
  readonly caller: string
  readonly method: string
  /** The path as the caller sent it, without the query. */
  readonly path: string
  /** The name of what the call created, if the path does not have it; else empty. */
  readonly target: string
  /** The options of the query that change what the call does, such as `purge=true`. */
  readonly flags: readonly string[]
  readonly status: number
  readonly requestId: string
  /** True if the call was refused before its route ran, because the caller had no permission or was over a rate limit. */
  readonly isRefused: boolean
}

export interface RouteGuardOptions {
  /** Called when the answer to a call of a `manage` route is known, also if the call was refused or the caller has left. */
  readonly onManaged?: (call: ManagedCall) => void
  readonly callers: Callers
  readonly requestIds: RequestIds
}

/**
 * Requires the permission of `config.scope` on all routes that are registered later. A route without a scope cannot be registered: Fastify throws. A
 * call without a valid token gets 401, and a call without the scope gets 403 with the missing scope.
 */
export function guardRoutes(app: FastifyInstance, options: RouteGuardOptions): void {
  app.decorateRequest('caller')
  app.decorateRequest('isPermitted', false)
  app.decorateRequest('target', '')
  app.addHook('onRoute', (route) => {
    const scope = route.config?.scope
    if (scope === undefined) throw new TypeError(`The route ${route.url} has no scope: give it config.scope`)
    // OpenAPI 3.1 lets a bearer token name the roles that a call needs.
    if (scope !== 'open') route.schema = { ...route.schema, security: [{ bearer: [scope] }] }
  })
  // Fastify does not call the hook `onResponse` for a caller that leaves before its answer.
  app.addHook('onSend', ({ is404, routeOptions, caller, isPermitted, method, url, id, target }, { statusCode: status }, _payload, done) => {
    if (!is404 && routeOptions.config.scope === 'manage') {
      const [path = '', query = ''] = url.split('?', 2)
      options.onManaged?.({ caller: caller?.name ?? '', method, path, target, flags: flagsIn(query), status, requestId: id, isRefused: !isPermitted })
    }
    done()
  })
  app.addHook('onRequest', (request, reply, done) => {
    const asking = permit(request, reply)
    // Only the check of a token may take time. Fastify then waits for the promise.
    if (asking === null) done()
    return asking ?? undefined
  })

  /** Lets a call pass, or throws. Returns null if no token has to be checked. */
  function permit(request: FastifyRequest, reply: FastifyReply): Promise<void> | null {
    request.caller = anybody
    if (request.is404) return null
    const { scope, isOpenWithoutTokens = false } = request.routeOptions.config
    if (tokenInQuery.test(request.url))
      throw new ProblemError('WAGGLE_TOKEN_IN_URL', 'A URL may not have a token, because logs keep URLs: send Authorization: Bearer TOKEN')
    const { callers } = options
    if (!callers.areKnown) {
      if ((scope === 'read' || scope === 'manage') && !isOpenWithoutTokens && !isLocal(request.headers)) throw notLocal
      request.isPermitted = true
      return null
    }
    return scope === 'open' && request.headers.authorization === undefined ? null : permitCaller(request, reply, scope)
  }

  async function permitCaller(request: FastifyRequest, reply: FastifyReply, scope: RouteScope): Promise<void> {
    const caller = await callerOf(request, reply, options.callers)
    request.caller = caller
    const missing = missingScope(request, caller, scope, options)
    if (missing === null) {
      request.isPermitted = true
      return
    }
    reply.header('www-authenticate', challenge(missing))
    throw scopeMissing(missing)
  }
}

/** Each known flag once. A value is cut, because callers choose it. The rest of a query may have anything in it, and logs keep it out. */
function flagsIn(query: string): readonly string[] {
  const values = new URLSearchParams(query)
  return ['accept', 'purge', 'version'].flatMap((name) => {
    const value = values.get(name)
    return value === null ? [] : [`${name}=${encodeURIComponent(value.slice(0, 20).toWellFormed())}`]
  })
}

async function callerOf({ headers }: FastifyRequest, reply: FastifyReply, callers: Callers): Promise<Caller> {
  try {
    return await knownCaller(headers.authorization, callers)
  } catch (thrown) {
    if (thrown instanceof Unauthenticated) reply.header('www-authenticate', thrown.challenge)
    throw thrown
  }
}

/** The scope that the caller needs and does not have; null if the caller may call the route. */
function missingScope({ params, routeOptions }: FastifyRequest, caller: Caller, scope: RouteScope, { requestIds }: RouteGuardOptions): Scope | null {
  const { gateway = '', id = '' } = params as { readonly gateway?: string; readonly id?: string }
  if (scope === 'open') return null
  if (scope === 'own') return missingToSee(id, caller, requestIds)
  const needed = scope === 'ask' ? (`ask:${routeOptions.config.gatewayOf?.(params) ?? gateway}` as const) : scope
  return caller.scopes.allow(needed) ? null : needed
}

function challenge(scope: Scope): string {
  // The name of a gateway comes from the caller here, and may contain characters that a header cannot carry.
  return `Bearer realm="waggle", error="insufficient_scope"${isScope(scope) ? `, scope="${scope}"` : ''}`
}

/** False for a request that a proxy has forwarded, according to the request's headers. */
function isLocal(headers: IncomingHttpHeaders): boolean {
  const isForwarded = Object.keys(headers).some((name) => name.startsWith('x-forwarded-') || proxyHeaders.has(name))
  return !isForwarded && isLoopback((headers.host ?? '').replace(/:\d+$/, ''))
}

const proxyHeaders: ReadonlySet<string> = new Set([
  'forwarded',
  'via',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
])

const notLocal = new ProblemError(
  'WAGGLE_NOT_LOCAL',
  'Without tokens, operators’ routes are open to callers of this machine alone: ask at http://127.0.0.1:PORT, without a proxy, or create a token',
)

/** The query parameters in which clients send tokens (RFC 6750, section 2.3, and common others). */
const tokenInQuery = /[?&](?:access_token|token|api_key|apikey|authorization|bearer)=/i
