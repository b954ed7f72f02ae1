import { EventEmitter, once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A proxy before a server on this machine. While switched off, the proxy closes every connection, as if the server were unreachable. */
export class SwitchableProxy implements AsyncDisposable {
  readonly #target: URL
  readonly #server: Server
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  readonly #calls = new EventEmitter()
  #isAway = false

  private constructor(target: URL, server: Server, port: number) {
    this.#target = target
    this.#server = server
    this.#port = port
    server.on('connection', (socket) => this.#take(socket))
  }

  static async before(url: string): Promise<SwitchableProxy> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('A server on a port has no port')
    return new SwitchableProxy(new URL(url), server, address.port)
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}${this.#target.pathname}`
  }

  goAway(): void {
    this.#isAway = true
    for (const socket of this.#sockets) socket.destroy()
  }

  comeBack(): void {
    this.#isAway = false
  }

  /** Settles when the proxy has turned away this many more callers. */
  async callsInVain(count: number): Promise<void> {
    for (let calls = 0; calls < count; calls++) await once(this.#calls, 'vain')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.goAway()
    await closed
  }

  #take(socket: Socket): void {
    socket.on('error', () => {})
    if (this.#isAway) {
      socket.destroy()
      this.#calls.emit('vain')
      return
    }
    const onward = connect(Number(this.#target.port), this.#target.hostname)
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  }
}
