import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'

export interface ServerOptions {
  readonly largest_batch?: number
  /** True: tensors are bytes; false: lists of values. A server of TensorFlow may write either. */
  readonly packed?: boolean
  readonly http_port?: number
  readonly grpc_port?: number
  /** PEM files of TLS for both protocols. The client must have a certificate that `ca` signed. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** A call that the server got. `rows` has the size of the first dimension; `remaining` the seconds until its deadline. */
export interface ServedCall {
  readonly protocol: 'grpc' | 'http'
  readonly signature: string
  readonly rows: readonly number[]
  readonly remaining?: number | null
}

/** server.py in a process: both protocols of TensorFlow Serving, with the messages and the gRPC of others. */
export class ModelServer {
  readonly #child: ChildProcess
  readonly #lines: Interface
  readonly calls: readonly ServedCall[]
  readonly http: number
  readonly grpc: number

  private constructor(
    child: ChildProcess,
    lines: Interface,
    calls: readonly ServedCall[],
    { http, grpc }: { readonly http: number; readonly grpc: number },
  ) {
    this.#child = child
    this.#lines = lines
    this.calls = calls
    this.http = http
    this.grpc = grpc
  }

  static async start(python: string, options: ServerOptions = {}): Promise<ModelServer> {
    const child = spawn(python, [join(import.meta.dirname, 'server.py'), JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const calls: ServedCall[] = []
    const lines = createInterface(child.stdout)
    const ports = await new Promise<{ readonly http: number; readonly grpc: number }>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`server.py ended with ${code}`)))
      lines.on('line', (line) => {
        const said = JSON.parse(line)
        if ('protocol' in said) calls.push(said)
        else resolve(said)
      })
    })
    return new ModelServer(child, lines, calls, ports)
  }

  /** The calls behind the first `from`, once there are `count` of them. The process tells of them in its own time. */
  async callsFrom(from: number, count: number): Promise<readonly ServedCall[]> {
    while (this.calls.length < from + count) await once(this.#lines, 'line')
    return this.calls.slice(from)
  }

  /** Ends the process at once, with all its connections. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** A Python with the packages of server.py, made once in a cache of the user; or the reason why there is none. */
export function servingPython(): { readonly python: string } | { readonly missing: string } {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'waggle')
  const directory = join(cache, 'tensorflow-serving-api-2.21.0')
  const python = join(directory, 'bin', 'python')
  if (existsSync(python)) return { python }
  mkdirSync(cache, { recursive: true })
  const fetched = mkdtempSync(join(cache, 'fetch-'))
  try {
    const install = (...packages: readonly string[]) => ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
    const own = join(fetched, 'bin', 'python')
    const steps: readonly (readonly [string, readonly string[]])[] = [
      ['python3', ['-m', 'venv', fetched]],
      [own, install('--only-binary=:all:', 'grpcio==1.85.3', 'protobuf==7.36.2')],
      // The messages of TensorFlow itself without TensorFlow; then the published ones of TensorFlow Serving over those of that package.
      [own, install('--no-deps', 'tensorflow-protobuf==2.11.0')],
      [own, install('--no-deps', 'tensorflow-serving-api==2.21.0')],
    ]
    for (const [command, args] of steps) {
      const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
      if (status !== 0) return { missing: `No Python with tensorflow-serving-api can be made: ${error?.message ?? stderr.slice(-500)}` }
    }
    // Another process may have been first. The environment finds its packages beside its interpreter, so it may be moved.
    if (!existsSync(directory)) renameSync(fetched, directory)
    return { python }
  } finally {
    rmSync(fetched, { recursive: true, force: true })
  }
}
