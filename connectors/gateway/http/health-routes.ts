import type { FastifyInstance } from 'fastify'

export interface HealthRoutesOptions {
  readonly notReady: () => string | null
  readonly metrics: () => string
}

/** For orchestrators: whether the process lives, and whether it can answer requests; for Prometheus: what it measures. */
export function healthRoutes(app: FastifyInstance, { notReady, metrics }: HealthRoutesOptions): void {
  app.get('/healthz', { schema: { tags: ['health'], summary: 'The process lives' } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { schema: { tags: ['health'], summary: 'Every swarm answers' } }, async (_, reply) => {
    const reason = notReady()
    return reason === null ? { status: 'ready' } : reply.code(503).header('retry-after', '2').send({ status: 'not ready', reason })
  })
  app.get('/metrics', { schema: { tags: ['health'], summary: 'What is measured, for Prometheus' } }, async (_, reply) =>
    reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').header('cache-control', 'no-store').send(metrics()),
  )
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
