import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls'
import type { Clock } from '../../../processor/ports.ts'
import type { TlsFiles } from '../../http/tls-files.ts'

export interface GrpcConnectionsOptions {
  readonly clock: Clock
  readonly tls?: TlsFiles
  readonly maxConnections: number
  /** The most bytes of messages that have arrived and belong to no finished call, of all connections together. */
  readonly maxBytes: number
  /** Called with each new connection, after its TLS handshake. */
  readonly onConnection: (socket: Socket) => void
}

/**
 * The connections of the gRPC port. gRPC's library bounds a message and the calls of a connection; this class bounds the connections, and the bytes
 * that they hold together: a message of which only a part has come counts too.
 */
export class GrpcConnections {
  readonly server: Server
  readonly #options: GrpcConnectionsOptions
  readonly #open = new Map<string, Connection>()
  /** All sockets, also those that are not yet secure. */
  readonly #sockets = new Set<Socket>()
  #isLooking = false

  constructor(options: GrpcConnectionsOptions) {
    this.#options = options
    const { tls, maxConnections } = options
    this.server = tls === undefined ? createServer() : createTlsServer({ ...tls.serverOptions(), ALPNProtocols: ['h2'] })
    if (this.server instanceof TlsServer) {
      this.server.maxConnections = maxConnections + maxHandshakes
      this.server.on('tlsClientError', (_, socket) => socket.destroy())
    }
    this.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => this.#add(socket))
  }

  /** Counts a call of a connection until the returned function is called with the bytes of its messages. */
  begin(address: string | undefined, port: number | undefined): (messageBytes: number) => void {
    const connection = this.#open.get(`${address} ${port}`)
    if (connection === undefined) return () => {}
    connection.calls++
    this.#lookSoon()
    let isOver = false
    return (messageBytes) => {
      if (isOver) return
      isOver = true
      connection.calls--
      const { bytesRead } = connection.socket
      // A call brings frames and headers beside its messages. Where no call is left, nothing is held.
      connection.readBefore =
        connection.calls === 0 ? bytesRead : Math.min(bytesRead, connection.readBefore + messageBytes * 1.01 + callOverheadBytes)
    }
  }

  /** Gives new connections the certificate of files that change. The returned function ends it. */
  followCertificate(onProblem: (problem: string) => void): () => void {
    const { tls, clock } = this.#options
    return tls !== undefined && this.server instanceof TlsServer ? tls.follow(this.server, clock, onProblem) : () => {}
  }

  /** Takes no new connections. Settles when the open ones have ended. */
  close(): Promise<void> {
    return new Promise((resolve) => void this.server.close(() => resolve()))
  }

  /** Ends all connections, also those that are still before the end of their handshake. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #add(socket: Socket): void {
    const key = `${socket.remoteAddress} ${socket.remotePort}`
    // The library hears errors of the connection's session. The socket has some before, and after.
    socket.on('error', () => socket.destroy())
    if (this.#open.size >= this.#options.maxConnections) {
      const idle = [...this.#open.values()].find(({ calls }) => calls === 0)
      if (idle === undefined) {
        socket.destroy()
        return
      }
      this.#drop(idle)
    }
    const connection = { key, socket, calls: 0, readBefore: socket.bytesRead }
    this.#open.set(key, connection)
    socket.once('close', () => {
      if (this.#open.get(key) === connection) this.#open.delete(key)
    })
    this.#options.onConnection(socket)
  }

  #drop(connection: Connection): void {
    this.#open.delete(connection.key)
    connection.socket.destroy()
  }

  /** Looks at all connections in a moment, and again while there are calls. A look for each call would cost more with each connection. */
  #lookSoon(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#options.clock.after(lookMs, () => {
      this.#isLooking = false
      this.#bound()
      if ([...this.#open.values()].some(({ calls }) => calls > 0)) this.#lookSoon()
    })
  }

  /** Closes the connections that hold most, until all together hold less than the bound. */
  #bound(): void {
    const byHeld = [...this.#open.values()].map((connection) => ({ connection, held: heldBy(connection) })).sort((a, b) => b.held - a.held)
    let sum = byHeld.reduce((total, { held }) => total + held, 0)
    for (const { connection, held } of byHeld) {
      if (sum <= this.#options.maxBytes) return
      this.#drop(connection)
      sum -= held
    }
  }
}

interface Connection {
  readonly key: string
  readonly socket: Socket
  calls: number
  /** The bytes that were read for calls that are over. */
  readBefore: number
}

function heldBy({ calls, socket, readBefore }: Connection): number {
  return calls === 0 ? 0 : Math.max(0, socket.bytesRead - readBefore)
}

const maxHandshakes = 256
const callOverheadBytes = 1024
/** The time between two looks. In this time a connection may bring more than the bound allows. */
const lookMs = 100
