import type { FastifyInstance } from 'fastify'
import { callerText } from './caller-text.ts'
import { answerOf } from './described-route.ts'

export interface HealthRoutesOptions {
  readonly notReady: () => string | null
  readonly metrics: () => string
}

/** Routes for orchestrators (is the process alive, do its swarms answer) and for Prometheus (metrics). */
export function healthRoutes(app: FastifyInstance, { notReady, metrics }: HealthRoutesOptions): void {
  // These routes answer under any load: an overloaded process is alive, and a restart would only cost more.
  const config = { scope: 'open', pressureHandler: () => {}, rateLimit: false } as const
  const metricsConfig = { ...config, scope: 'read', isOpenWithoutTokens: true } as const
  app.get('/healthz', { config, schema: { tags: ['health'], summary: 'The process lives' } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { config, schema: { tags: ['health'], summary: 'Every swarm answers' } }, async (_, reply) => {
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
      schema: { tags: ['health'], summary: 'What is measured, for Prometheus', response: answerOf('text/plain', 'Metrics in the text format.') },
    },
    async (_, reply) => reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').header('cache-control', 'no-store').send(metrics()),
  )
  app.get('/openapi.json', { config: { scope: 'open' }, schema: { hide: true } }, async () => app.swagger())
}
