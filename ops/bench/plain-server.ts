import fastify from 'fastify'

/** The floor of hello-world: the same function in a plain fastify server. */
const app = fastify()
app.post('/', async ({ body }) => ({ greeting: `Hello, ${(body as { readonly name: string }).name}!` }))
process.stdout.write(`${JSON.stringify({ event: 'ready', gateway: await app.listen({ host: '127.0.0.1', port: 0 }) })}\n`)
