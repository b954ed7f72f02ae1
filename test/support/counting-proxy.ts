import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'

/** Stands before an HTTP server on this machine, and notes each call. */
export class CountingProxy implements AsyncDisposable {
  readonly #server: Server
  readonly url: string
  /** `METHOD /path` of each call, in order. */
  readonly calls: string[] = []

  private constructor(server: Server, url: string) {
    this.#server = server
    this.url = url
  }

  static async before(target: string): Promise<CountingProxy> {
    const { hostname, port } = new URL(target)
    const server = createServer((incoming, outgoing) => {
      const { method = '', url = '', headers } = incoming
      proxy.calls.push(`${method} ${url.split('?', 1)[0]}`)
      const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      })
      onward.on('error', () => outgoing.destroy())
      incoming.pipe(onward)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('A server on a port has no port')
    const proxy = new CountingProxy(server, `http://127.0.0.1:${address.port}`)
    return proxy
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
