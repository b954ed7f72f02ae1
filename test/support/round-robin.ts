import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Passes each connection on to the next of several servers on this machine, like a Service of Kubernetes. */
export class RoundRobin implements AsyncDisposable {
  /** The addresses of the servers that accept new connections. A test changes them. */
  readonly targets = new Map<string, URL>()
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #next = 0

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `http://127.0.0.1:${port}`
    server.on('connection', (socket) => this.#take(socket))
  }

  static async open(): Promise<RoundRobin> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('A server on a port has no port')
    return new RoundRobin(server, address.port)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #take(socket: Socket): void {
    const there = [...this.targets.values()]
    const target = there[this.#next++ % there.length]
    if (target === undefined) {
      socket.destroy()
      return
    }
    const onward = connect(Number(target.port), target.hostname)
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  }
}
