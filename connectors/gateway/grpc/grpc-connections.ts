import type { ServerHttp2Stream } from 'node:http2'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls'
import type { Clock } from '../../../processor/ports.ts'
import type { TlsFiles } from '../../http/tls-files.ts'
import { cutStream } from './call-stream.ts'

export interface GrpcConnectionsOptions {
  readonly clock: Clock
  readonly tls?: TlsFiles
  readonly maxConnections: number
  /**
   * The most bytes of all connections together. The bytes of messages whose call is not finished count, and so do the bytes of answers that no caller
   * has read yet.
   */
  readonly maxBytes: number
  /** The time limit for a caller to read a message of an answer. */
  readonly answerMs: number
  /** Called for each new connection, after its TLS handshake. */
  readonly onConnection: (socket: Socket) => void
}

/** A call of a connection, from its begin to its end. */
export interface CountedCall {
  /** True while the call works on a whole message. A connection without a busy call may be closed in favour of a new connection. */
  isBusy: boolean
  /** Subtracts the bytes of messages that have been handled. */
  forget(messageBytes: number): void
  /** Schedules a check of the bytes of unread answers. Must be called with the size of each message of an answer. */
  answering(messageBytes: number): void
  /** Subtracts all bytes that the call has received. Bytes of answers count until the caller has read them. */
  end(): void
}

/**
 * The connections of the gRPC port. grpc-js limits the size of a message and the calls of a connection. This class limits the number of connections,
 * and the bytes that all connections hold together. Bytes of an incomplete message count, and so do the bytes of an answer that the caller does not
 * read.
 */
export class GrpcConnections {
  readonly server: Server
  readonly #options: GrpcConnectionsOptions
  readonly #open = new Map<string, Connection>()
  /** All sockets, including those whose TLS handshake is not finished. */
  readonly #sockets = new Set<Socket>()
  #isLooking = false
  #willLook = false
  /** The number of bytes that were received or sent since the last check. */
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

  /** Starts to count the bytes of a call, as they pass over the wire. */
  begin(stream: ServerHttp2Stream): CountedCall {
    const { socket } = stream.session ?? {}
    const connection = this.#open.get(`${socket?.remoteAddress} ${socket?.remotePort}`)
    const call: Call = {
      stream,
      isOpen: true,
      isBusy: false,
      isCut: false,
      heldBytes: 0,
      sentBytes: 0,
      taken: { bytes: 0, atMs: this.#options.clock.elapsedMs() },
    }
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

  /** Uses the certificate of files that may change. New connections get the current certificate. The returned function ends the watch. */
  followCertificate(onNotice: (notice: string) => void): () => void {
    const { tls, clock } = this.#options
    return tls !== undefined && this.server instanceof TlsServer ? tls.follow(this.server, clock, onNotice) : () => {}
  }

  /** Accepts no new connections. Settles when the open connections have ended. */
  close(): Promise<void> {
    return new Promise((resolve) => void this.server.close(() => resolve()))
  }

  /** Ends all connections, including those whose handshake is not finished. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #add(socket: Socket): void {
    const key = `${socket.remoteAddress} ${socket.remotePort}`
    // grpc-js listens to errors of the connection's session. The socket can have errors before and after the session.
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

  /** Checks at once when a share of the bound has been received or sent since the last check. */
  #moved(bytes: number): void {
    this.#movedBytes += bytes
    if (this.#movedBytes <= this.#options.maxBytes / looksABound || this.#willLook) return
    this.#willLook = true
    // Bytes are passed to the stream after they are counted.
    setImmediate(() => {
      this.#willLook = false
      this.#bound()
    })
  }

  /** Checks all connections in a moment, and again while there are calls. A check for each call would cost more with each connection. */
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

  /** Closes the connections that hold the most bytes, until all connections together hold less than the bound. */
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

  /** Ends each call whose caller has read no message of its answer for too long. */
  #endStalled(): void {
    const { clock, answerMs } = this.#options
    const nowMs = clock.elapsedMs()
    for (const { calls } of this.#open.values())
      for (const call of calls) {
        if (call.isCut) continue
        const takenBytes = call.sentBytes - call.stream.writableLength
        if (call.stream.writableLength === 0 || takenBytes > call.taken.bytes) call.taken = { bytes: takenBytes, atMs: nowMs }
        else if (nowMs - call.taken.atMs >= answerMs) {
          call.isCut = true
          cutStream(call.stream, clock)
        }
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
  /** False once the call has its status. */
  isOpen: boolean
  isBusy: boolean
  isCut: boolean
  /** The number of bytes that were received and not handled yet. */
  heldBytes: number
  sentBytes: number
  /** The bytes of the answer that the caller has read, and the time of the last read, or of the last moment without an unread answer. */
  taken: { readonly bytes: number; readonly atMs: number }
}

function heldBy({ calls }: Connection): number {
  let held = 0
  for (const { stream, isOpen, heldBytes } of calls) held += heldBytes + stream.writableLength + (isOpen ? stream.readableLength : 0)
  return held
}

const maxHandshakes = 256
/** The time between two checks. */
const lookMs = 100
/** The divisor of the bound: a check comes when a quarter of the bound has arrived since the last check. */
const looksABound = 4
