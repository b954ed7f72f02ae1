import type { FastifyInstance } from 'fastify'

/** For orchestrators: whether the process lives, and whether it can answer requests. */
export function healthRoutes(app: FastifyInstance, { notReady }: { readonly notReady: () => string | null }): void {
  app.get('/healthz', { schema: { tags: ['health'], summary: 'The process lives' } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { schema: { tags: ['health'], summary: 'Every swarm answers' } }, async (_, reply) => {
    const reason = notReady()
    return reason === null ? { status: 'ready' } : reply.code(503).header('retry-after', '2').send({ status: 'not ready', reason })
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
