import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import { moduleFile } from '../../topology/module-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { makeDirectory } from '../system/file-error.ts'
import type { ServerMessage, ServerOptions } from './engine-messages.ts'

export interface EmbeddedClickHouseOptions {
  readonly directory: string
  readonly host: string
  /** The public port; 0 for any free port. A restart uses the same port again. */
  readonly port: number
  /**
   * Additional names under which callers may reach the port, for example the name of a proxy or a name in a container network. The loopback names and
   * `host` are always allowed.
   */
  readonly names?: readonly string[]
  /** The time limit of a query on the public port, in seconds. Default: 10. */
  readonly maxReaderSeconds?: number
  readonly clock: Clock
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void
}

export interface EmbeddedClickHouse {
  /** The address of the public port, which takes one read-only statement a call. */
  readonly url: string
  /** The Unix socket for Waggle's own writes, over HTTP. */
  readonly writerSocket: string
  /** The process that has the database open; null between its death and its restart. */
  readonly pid: number | null
  close(): Promise<void>
}

/**
 * Starts chDB in a process of its own, behind ClickHouse's HTTP interface. A crash of chDB cannot end this process, and every ClickHouse client can
 * connect. The process restarts when it dies, and ends when this process ends. Throws WAGGLE_PORT_IN_USE, or WAGGLE_CLICKHOUSE if chDB cannot start.
 */
export async function startEmbeddedClickHouse(options: EmbeddedClickHouseOptions): Promise<EmbeddedClickHouse> {
  makeDirectory(options.directory)
  const server = new WatchedServer(options)
  try {
    await server.start()
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

class WatchedServer implements EmbeddedClickHouse {
  readonly #options: EmbeddedClickHouseOptions
  #child: ChildProcess | null = null
  readonly writerSocket: string
  #port: number
  #deaths = 0
  #closed = false
  #cancelRestart = () => {}

  constructor(options: EmbeddedClickHouseOptions) {
    this.#options = options
    this.#port = options.port
    // The socket is in a temporary folder that only this user may enter. A path inside `directory` could be too long for a socket.
    this.writerSocket = join(mkdtempSync(join(tmpdir(), 'waggle-')), 'w')
  }

  get url(): string {
    const { host } = this.#options
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#port}`
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  start(): Promise<void> {
    const { directory, host } = this.#options
    const serverOptions: ServerOptions = {
      directory,
      host,
      port: this.#port,
      names: this.#options.names ?? [],
      writerSocket: this.writerSocket,
      maxReaderSeconds: this.#options.maxReaderSeconds ?? 10,
    }
    // The child gets a process group of its own. A terminal's Ctrl-C then reaches only this process. This process first stops the swarms that write
    // to ClickHouse, and then ClickHouse.
    const child = fork(moduleFile(new URL('./engine-process.ts', import.meta.url)), [JSON.stringify(serverOptions)], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', TZ: process.env.TZ ?? '', UV_THREADPOOL_SIZE: '16' },
    })
    this.#child = child
    let words = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-2000)
    })
    return new Promise((resolve, reject) => {
      let ready = false
      child.on('message', (message: ServerMessage) => {
        if (message.kind === 'ready') {
          ready = true
          this.#port = message.port
          this.#deaths = 0
          resolve()
        } else reject(this.#startError(message))
      })
      child.on('error', (error) => reject(this.#startError({ kind: 'failed', code: '', message: error.message })))
      child.on('close', (code, signal) => {
        this.#child = null
        if (this.#closed) return
        const why = signal === null ? `ended with status ${code}` : `was ended by ${signal}`
        if (ready) this.#restart(`${why}${words.trim() === '' ? '' : `; its last words: ${words.trim()}`}`)
        else reject(this.#startError({ kind: 'failed', code: '', message: `it ${why}. ${words.trim()}` }))
      })
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelRestart()
    const child = this.#child
    if (child !== null) await this.#end(child)
    rmSync(dirname(this.writerSocket), { recursive: true, force: true })
  }

  async #end(child: ChildProcess): Promise<void> {
    // The event is `exit` and not `close`: after a disconnect, Node never emits `close`.
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const cancel = this.#options.clock.after(closeMs, () => child.kill('SIGKILL'))
    if (child.connected) child.disconnect()
    await gone
    cancel()
  }

  #restart(why: string): void {
    const waitMs = Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.#deaths++)
    this.#options.log('warn', `the embedded ClickHouse ${why}; starting it again in ${waitMs / 1000} s. What is to be saved waits in the log.`)
    this.#cancelRestart = this.#options.clock.after(waitMs, () => {
      this.start().then(
        () => this.#options.log('info', 'the embedded ClickHouse is back'),
        (error: unknown) => {
          if (!this.#closed) this.#restart(error instanceof Error ? `does not start: ${error.message}` : String(error))
        },
      )
    })
  }

  #startError({ code, message }: Extract<ServerMessage, { kind: 'failed' }>): WaggleError {
    const { host, directory } = this.#options
    return code === 'EADDRINUSE'
      ? new WaggleError('WAGGLE_PORT_IN_USE', {
          message: `Port ${this.#port} of ${host}, for the embedded ClickHouse, is in use`,
          next: 'Stop the program that uses the port, set WAGGLE_CLICKHOUSE_PORT to another port, or CLICKHOUSE_URL to a ClickHouse of your own.',
        })
      : new WaggleError('WAGGLE_CLICKHOUSE', {
          message: `The embedded ClickHouse cannot start on ${directory}: ${message.trim()}`,
          next: 'See that the directory is writable. Where a file in it is damaged, move the directory away: the rows are written again from the log, as far as it has them.',
        })
  }
}

const closeMs = 10_000
const firstBackOffMs = 100
const maxBackOffMs = 10_000
