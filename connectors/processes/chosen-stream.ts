import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'

interface StandardStreams {
  readonly stdin: Writable | null
  readonly stdout: Readable | null
}

export interface ChosenStreamEvents {
  heard(chunk: Buffer): void
  /** Called when the process has closed its output. */
  ended(): void
  /** Called when standard output turns out to be a log, because messages go over the socket. */
  logs(stdout: Readable): void
}

/**
 * The stream of bytes between Waggle and a process: either the standard streams, or the connection that the process makes to its socket. The first
 * event decides: a connection of the process selects the socket, output on standard output selects the standard streams. `message-codec.ts` gives the
 * bytes their meaning, and `watched-process.ts` leads the conversation.
 */
export class ChosenStream {
  readonly #events: ChosenStreamEvents
  readonly #stdin: Writable | null
  readonly #stdout: Readable | null
  readonly #refuseConnection: () => void
  #connection: Socket | null = null
  #isStandard = false
  #drained = () => {}

  constructor({ stdin, stdout }: StandardStreams, refuseConnection: () => void, events: ChosenStreamEvents) {
    this.#events = events
    this.#stdin = stdin
    this.#stdout = stdout
    this.#refuseConnection = refuseConnection
    // A write to a dead process fails. The `exit` event reports the death.
    stdin?.on('error', () => {})
    stdout?.on('error', () => {})
    stdin?.on('drain', () => this.#drained())
    stdout?.once('data', this.#firstOutput)
    stdout?.once('end', this.#outputEnded)
  }

  /** Uses a new connection in place of the standard streams. Closes it if messages already go over the standard streams or an earlier connection. */
  connected(connection: Socket): void {
    if (this.#isStandard || this.#connection !== null) {
      connection.destroy()
      return
    }
    this.#connection = connection
    connection.on('error', () => {})
    connection.on('data', (chunk: Buffer) => this.#events.heard(chunk))
    connection.on('drain', () => this.#drained())
    connection.once('end', () => this.#events.ended())
    connection.once('close', () => this.#events.ended())
    if (this.#stdout === null) return
    this.#stdout.off('data', this.#firstOutput)
    this.#stdout.off('end', this.#outputEnded)
    this.#events.logs(this.#stdout)
  }

  get unreadBytes(): number {
    return (this.#connection ?? this.#stdin)?.writableLength ?? 0
  }

  /** Calls back when nothing more can be read from the connection. Without a connection, calls back at once. */
  onceRead(callback: () => void): void {
    const connection = this.#connection
    if (connection === null || connection.readableEnded || connection.destroyed) {
      callback()
      return
    }
    connection.once('end', callback)
    connection.once('close', callback)
  }

  write(pieces: readonly Uint8Array[]): void {
    const stream = this.#connection ?? this.#stdin
    if (stream === null) return
    stream.cork()
    for (const piece of pieces) if (piece.length > 0) stream.write(piece)
    stream.uncork()
  }

  /** Stops reading the output of the process until `resume`. */
  pause(): void {
    const stream = this.#connection ?? this.#stdout
    stream?.pause()
  }

  resume(): void {
    const stream = this.#connection ?? this.#stdout
    stream?.resume()
  }

  /** True if the process speaks on its socket. */
  get isSocket(): boolean {
    return this.#connection !== null
  }

  onDrain(callback: () => void): void {
    this.#drained = callback
  }

  end(): void {
    this.#stdin?.end()
    this.#connection?.end()
  }

  destroy(): void {
    this.#stdin?.destroy()
    this.#stdout?.destroy()
    this.#connection?.destroy()
  }

  /**
   * Waits for the end of this turn of the event loop before it chooses. A connection that the process made before this output may be reported after
   * the output.
   */
  readonly #firstOutput = (chunk: Buffer): void => {
    const stdout = this.#stdout
    stdout?.pause()
    setImmediate(() => {
      if (this.#connection !== null) {
        stdout?.unshift(chunk)
      } else {
        this.#isStandard = true
        this.#refuseConnection()
        this.#events.heard(chunk)
        stdout?.on('data', (next: Buffer) => this.#events.heard(next))
      }
      stdout?.resume()
    })
  }

  readonly #outputEnded = (): void => this.#events.ended()
}
