import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { callerText } from './caller-text.ts'
import { answerOf, jsonAnswer } from './described-route.ts'

export interface HealthRoutesOptions {
  readonly notReady: () => string | null
  readonly metrics: (format: 'text' | 'openmetrics') => string
}

/**
 * Routes for orchestrators and for Prometheus. Orchestrators learn whether the process is alive and whether its swarms answer. Prometheus gets the
 * metrics.
 */
export function healthRoutes(app: FastifyInstance, { notReady, metrics }: HealthRoutesOptions): void {
  // These routes answer under any load. An overloaded process is alive, and a restart would make the overload worse.
  const config = { scope: 'open', pressureHandler: () => {}, rateLimit: false } as const
  const metricsConfig = { ...config, scope: 'read', isOpenWithoutTokens: true } as const
  app.get(
    '/healthz',
    { config, schema: { tags: ['health'], summary: 'The process lives', response: jsonAnswer(Type.Object({ status: Type.Literal('ok') })) } },
    async () => ({ status: 'ok' }),
  )
  app.get('/readyz', { config, schema: { tags: ['health'], summary: 'Every swarm answers', response: readiness } }, async (_, reply) => {
    const reason = notReady()
    return reason === null
      ? { status: 'ready' }
      : reply
          .code(503)
          .header('retry-after', '2')
          .send({ status: 'not ready', reason: callerText(reason) })
  })
  app.get(
    '/metrics',
    {
      config: metricsConfig,
      schema: { tags: ['health'], summary: 'What is measured, for Prometheus', response: answerOf('*/*', 'Metrics in a text format.') },
    },
    async (request, reply) => {
      const format = wantsOpenMetrics(request.headers.accept) ? 'openmetrics' : 'text'
      return reply.header('content-type', metricsTypes[format]).header('vary', 'accept').header('cache-control', 'no-store').send(metrics(format))
    },
  )
  app.get('/openapi.json', { config: { scope: 'open' }, schema: { hide: true } }, async () => app.swagger())
}

const readiness = {
  ...jsonAnswer(Type.Object({ status: Type.Literal('ready') })),
  ...jsonAnswer(Type.Object({ status: Type.Literal('not ready'), reason: Type.String() }), { status: 503, description: 'A swarm does not answer.' }),
}

const metricsTypes = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const

/** True if the caller prefers OpenMetrics 1.0 to plain text, or accepts both equally, as Prometheus does. */
function wantsOpenMetrics(accept: string | undefined): boolean {
  let [open, text] = [0, 0]
  for (const part of (accept ?? '').slice(0, 1000).split(',')) {
    const [type = '', ...parameters] = part.split(';').map((word) => word.trim().toLowerCase())
    const quality = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1)
    const version = parameters.find((one) => one.startsWith('version='))?.slice(8) ?? '1.0.0'
    if (type === 'application/openmetrics-text' && version === '1.0.0') open = Math.max(open, quality)
    if (type === 'text/plain') text = Math.max(text, quality)
  }
  return open > 0 && open >= text
}
