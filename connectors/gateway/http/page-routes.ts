import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Page, PageFile } from '../../../topology/swarm/page.ts'

/** Routes for the files of the page, at `/` and below `/page/`. The files refer to no other server, so the page works without a network. */
export function pageRoutes(app: FastifyInstance, page: Page): void {
  // The page also loads from an overloaded process, because the page shows which part is slow.
  const config = { scope: 'open', pressureHandler: () => {}, rateLimit: false } as const
  for (const [path, file] of page.files)
    app.get(path, { config, schema: { hide: true } }, async (request, reply) => sendFile(request, reply, file, page.contentSecurityPolicy))
}

function sendFile(request: FastifyRequest, reply: FastifyReply, { contentType, bytes, gzip, etag }: PageFile, policy: string): FastifyReply {
  // Another version of Waggle may run at this address after a restart.
  reply.header('cache-control', 'no-cache').header('etag', etag).header('vary', 'accept-encoding').header('content-security-policy', policy)
  if (request.headers['if-none-match'] === etag) return reply.code(304).send()
  reply.header('content-type', contentType)
  if (!/\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) return reply.send(bytes)
  return reply.header('content-encoding', 'gzip').send(gzip)
}
