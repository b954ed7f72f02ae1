import { constants, type ServerHttp2Stream } from 'node:http2'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls'
import type { Clock } from '../../../processor/ports.ts'
import type { TlsFiles } from '../../http/tls-files.ts'

export interface GrpcConnectionsOptions {
  readonly clock: Clock
  readonly tls?: TlsFiles
  readonly maxConnections: number
  /** The most bytes of messages that have arrived and belong to no finished call, and of answers that no caller has taken, of all connections together. */
  readonly maxBytes: number
  /** The time limit for a caller to take a message of an answer. */
  readonly answerMs: number
  /** Called with each new connection, after its TLS handshake. */
  readonly onConnection: (socket: Socket) => void
}

/** A call of a connection, while it lasts. */
export interface CountedCall {
  /** True while the call works on a whole message. A connection whose calls have none makes room for a new one. */
  isBusy: boolean
  /** Forgets bytes of messages that are dealt with. */
  forget(messageBytes: number): void
  /** Looks soon whether the answers that wait are too many. To be called with the bytes of each message of an answer. */
  answering(messageBytes: number): void
  /** Forgets all bytes that have come. Answers count until the caller has taken them. */
  end(): void
}

/**
 * The connections of the gRPC port. gRPC's library bounds a message and the calls of a connection; this class bounds the connections, and the bytes
 * that they hold together: a message of which only a part has come counts too, and so does an answer that its caller does not read.
 */
export class GrpcConnections {
  readonly server: Server
  readonly #options: GrpcConnectionsOptions
  readonly #open = new Map<string, Connection>()
  /** All sockets, also those that are not yet secure. */
  readonly #sockets = new Set<Socket>()
  #isLooking = false
  #willLook = false
  /** The bytes that have come or been sent since the last look. */
  #movedBytes = 0

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

  /** Counts the bytes of a call, as they come and go on the wire. */
  begin(stream: ServerHttp2Stream): CountedCall {
    const { socket } = stream.session ?? {}
    const connection = this.#open.get(`${socket?.remoteAddress} ${socket?.remotePort}`)
    const call: Call = { stream, isOpen: true, isBusy: false, heldBytes: 0, sentBytes: 0, taken: { bytes: 0, atMs: this.#options.clock.elapsedMs() } }
    const counted: CountedCall = {
      get isBusy() {
        return call.isBusy
      },
      set isBusy(isBusy) {
        call.isBusy = isBusy
      },
      forget: (messageBytes) => {
        call.heldBytes = Math.max(0, call.heldBytes - messageBytes)
      },
      answering: (messageBytes) => {
        call.sentBytes += messageBytes
        this.#moved(messageBytes)
      },
      end: () => {
        call.isOpen = false
        call.isBusy = false
        call.heldBytes = 0
      },
    }
    if (connection === undefined || stream.destroyed) return counted
    connection.calls.add(call)
    stream.on('data', ({ byteLength }: Buffer) => {
      if (!call.isOpen) return
      call.heldBytes += byteLength
      this.#moved(byteLength)
    })
    stream.once('close', () => connection.calls.delete(call))
    this.#lookSoon()
    return counted
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
      const all = [...this.#open.values()]
      const idle =
        all.find(({ calls }) => ![...calls].some(({ isOpen }) => isOpen)) ?? all.find(({ calls }) => ![...calls].some(({ isBusy }) => isBusy))
      if (idle === undefined) {
        socket.destroy()
        return
      }
      this.#drop(idle)
    }
    const connection = { key, socket, calls: new Set<Call>() }
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

  /** Looks at once when a part of the bound has come or been sent since the last look. */
  #moved(bytes: number): void {
    this.#movedBytes += bytes
    if (this.#movedBytes <= this.#options.maxBytes / looksABound || this.#willLook) return
    this.#willLook = true
    // Bytes are handed to the stream after they are counted.
    setImmediate(() => {
      this.#willLook = false
      this.#bound()
    })
  }

  /** Looks at all connections in a moment, and again while there are calls. A look for each call would cost more with each connection. */
  #lookSoon(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#options.clock.after(lookMs, () => {
      this.#isLooking = false
      this.#bound()
      this.#endStalled()
      if ([...this.#open.values()].some(({ calls }) => calls.size > 0)) this.#lookSoon()
    })
  }

  /** Closes the connections that hold most, until all together hold less than the bound. */
  #bound(): void {
    this.#movedBytes = 0
    const byHeld = [...this.#open.values()].map((connection) => ({ connection, held: heldBy(connection) })).sort((a, b) => b.held - a.held)
    let sum = byHeld.reduce((total, { held }) => total + held, 0)
    for (const { connection, held } of byHeld) {
      if (sum <= this.#options.maxBytes) return
      this.#drop(connection)
      sum -= held
    }
  }

  /** Ends each call whose caller takes no message of its answer for too long. */
  #endStalled(): void {
    const { clock, answerMs } = this.#options
    const nowMs = clock.elapsedMs()
    for (const { calls } of this.#open.values())
      for (const call of calls) {
        const takenBytes = call.sentBytes - call.stream.writableLength
        if (call.stream.writableLength === 0 || takenBytes > call.taken.bytes) call.taken = { bytes: takenBytes, atMs: nowMs }
        else if (nowMs - call.taken.atMs >= answerMs) call.stream.close(constants.NGHTTP2_CANCEL)
      }
  }
}

interface Connection {
  readonly key: string
  readonly socket: Socket
  readonly calls: Set<Call>
}

/** A call whose stream is not closed. */
interface Call {
  readonly stream: ServerHttp2Stream
  /** False when the call has its status. */
  isOpen: boolean
  isBusy: boolean
  /** The bytes that have come and are not dealt with. */
  heldBytes: number
  sentBytes: number
  /** The bytes of the answer that the caller has taken, and the time when it last took some, or when none waited. */
  taken: { readonly bytes: number; readonly atMs: number }
}

function heldBy({ calls }: Connection): number {
  let held = 0
  for (const { stream, isOpen, heldBytes } of calls) held += heldBytes + stream.writableLength + (isOpen ? stream.readableLength : 0)
  return held
}

const maxHandshakes = 256
/** The time between two looks. */
const lookMs = 100
/** So many looks there are at least while the bytes of the bound come. */
const looksABound = 4
