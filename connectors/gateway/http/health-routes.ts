import type { FastifyInstance } from 'fastify'

export interface HealthRoutesOptions {
  readonly notReady: () => string | null
  readonly metrics: () => string
}

/** For orchestrators: whether the process lives, and whether it can answer requests; for Prometheus: what it measures. */
export function healthRoutes(app: FastifyInstance, { notReady, metrics }: HealthRoutesOptions): void {
  // A process that has too much to do lives, and is not to be killed for it: who watches it is never turned away.
  const config = { pressureHandler: () => {}, rateLimit: false }
  app.get('/healthz', { config, schema: { tags: ['health'], summary: 'The process lives' } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { config, schema: { tags: ['health'], summary: 'Every swarm answers' } }, async (_, reply) => {
    const reason = notReady()
    return reason === null ? { status: 'ready' } : reply.code(503).header('retry-after', '2').send({ status: 'not ready', reason })
  })
  app.get('/metrics', { config, schema: { tags: ['health'], summary: 'What is measured, for Prometheus' } }, async (_, reply) =>
    reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').header('cache-control', 'no-store').send(metrics()),
  )
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
