import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import { moduleFile } from '../../topology/module-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ServerMessage, ServerOptions } from './server-messages.ts'

export interface EmbeddedClickHouseOptions {
  readonly directory: string
  readonly host: string
  /** 0: any free one, and the same one after a restart. */
  readonly port: number
  /** Further names that callers may reach the port by, behind a proxy or in a container network. */
  readonly names?: readonly string[]
  /** A query of the public port may run so long; 10 where it is left out. */
  readonly maxReaderSeconds?: number
  readonly clock: Clock
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void
}

export interface EmbeddedClickHouse {
  /** Takes one statement a call, which only reads. */
  readonly url: string
  /** Takes Waggle's own writes: HTTP on a Unix socket. */
  readonly writerSocket: string
  /** Of the process that has the database now; null between a death and the restart. */
  readonly pid: number | null
  close(): Promise<void>
}

/**
 * chDB in a process of its own, behind ClickHouse's HTTP interface: an error in it cannot take ours along, and every ClickHouse
 * client works. Dead, it is started again; it ends when we do. WAGGLE_PORT_IN_USE, WAGGLE_CLICKHOUSE where it cannot start.
 */
export async function startEmbeddedClickHouse(options: EmbeddedClickHouseOptions): Promise<EmbeddedClickHouse> {
  mkdirSync(options.directory, { recursive: true })
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
    // A folder that only this user may enter; in the directory itself a path could be longer than a socket's name may be.
    this.writerSocket = join(mkdtempSync(join(tmpdir(), 'waggle-')), 'w')
  }

  get url(): string {
    const { host } = this.#options
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.#port}`
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Settles when it answers. */
  start(): Promise<void> {
    const { directory, host } = this.#options
    const told: ServerOptions = {
      directory,
      host,
      port: this.#port,
      names: this.#options.names ?? [],
      writerSocket: this.writerSocket,
      maxReaderSeconds: this.#options.maxReaderSeconds ?? 10,
    }
    // A group of its own: a terminal's Ctrl-C is for us, and we end it after what still writes to it.
    const child = fork(moduleFile(new URL('./server.ts', import.meta.url)), [JSON.stringify(told)], {
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
    // `exit`, not `close`: Node does not count a channel that this side disconnected as closed.
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
          next: 'Stop the program that has it, set WAGGLE_CLICKHOUSE_PORT to another port, or CLICKHOUSE_URL to a ClickHouse of your own.',
        })
      : new WaggleError('WAGGLE_CLICKHOUSE', {
          message: `The embedded ClickHouse cannot start on ${directory}: ${message.trim()}`,
          next: 'See that the directory is writable, or set CLICKHOUSE_URL to a ClickHouse of your own.',
        })
  }
}

const closeMs = 10_000
const firstBackOffMs = 100
const maxBackOffMs = 10_000
