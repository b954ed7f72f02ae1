import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Stands before a server on this machine, and can be away. */
export class SwitchableProxy {
  readonly #target: URL
  readonly #sockets = new Set<Socket>()
  #server: Server | null = null
  #port = 0

  constructor(target: string) {
    this.#target = new URL(target)
  }

  /** Where the target is reached while this is on. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}${this.#target.pathname}`
  }

  /** At the same address each time. */
  async on(): Promise<void> {
    const server = createServer((socket) => {
      const onward = connect(Number(this.#target.port), this.#target.hostname)
      for (const [one, other] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        this.#sockets.add(one)
        one.on('error', () => other.destroy())
        one.on('close', () => this.#sockets.delete(one))
        one.pipe(other)
      }
    }).listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address !== null && typeof address !== 'string') this.#port = address.port
    this.#server = server
  }

  async off(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
