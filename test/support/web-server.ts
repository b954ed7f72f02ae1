import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'

/** A web server for files in memory, with entity tags and ranges. */
export class WebServer implements AsyncDisposable {
  readonly #server: ReturnType<typeof createServer>
  readonly #files = new Map<string, Uint8Array>()
  readonly #sockets = new Set<Socket>()
  readonly protocol: string
  isAway = false
  /** Answers instead of the files. Returns false to let the server answer with a file. */
  answer: (request: IncomingMessage, response: ServerResponse) => boolean = () => false
  /** The paths of all requests. */
  readonly asked: string[] = []

  private constructor(tls: { readonly key: string; readonly cert: string } | null) {
    const listener: RequestListener = (request, response) => this.#answer(request, response)
    this.protocol = tls === null ? 'http:' : 'https:'
    this.#server = tls === null ? createServer(listener) : createTlsServer(tls, listener)
    this.#server.on(tls === null ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => {})
      if (this.isAway) socket.destroy()
    })
  }

  static async start(tls: { readonly key: string; readonly cert: string } | null = null): Promise<WebServer> {
    const server = new WebServer(tls)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get host(): string {
    const address = this.#server.address()
    return `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  }

  addressOf(path: string): string {
    return `${this.protocol}//${this.host}/${path}`
  }

  put(path: string, content: Uint8Array | string): void {
    this.#files.set(`/${path}`, Buffer.from(content))
  }

  remove(path: string): void {
    this.#files.delete(`/${path}`)
  }

  goAway(): void {
    this.isAway = true
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.goAway()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    this.asked.push(request.url ?? '')
    if (this.answer(request, response)) return
    const content = this.#files.get(path)
    if (content === undefined) {
      response.writeHead(404).end()
      return
    }
    const etag = `"${createHash('md5').update(content).digest('hex')}"`
    const { range, 'if-match': match } = request.headers
    response.setHeader('etag', etag)
    const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0)
    if (match !== undefined && match !== etag) response.writeHead(412).end()
    else if (range === undefined) response.writeHead(200, { 'content-length': content.length }).end(content)
    else if (from >= content.length) response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end()
    else {
      const to = Number(/-(\d+)$/.exec(range)?.[1] ?? content.length - 1)
      const headers = { 'content-range': `bytes ${from}-${to}/${content.length}`, 'content-length': to - from + 1 }
      response.writeHead(206, headers).end(content.subarray(from, to + 1))
    }
  }
}
