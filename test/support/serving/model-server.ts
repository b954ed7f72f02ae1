import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { type FoundPython, pythonEnvironment } from '../python-environment.ts'

export interface ServerOptions {
  readonly largest_batch?: number
  /** True: tensors are bytes. False: tensors are lists of values. A TensorFlow server may write either form. */
  readonly packed?: boolean
  readonly http_port?: number
  readonly grpc_port?: number
  /** PEM files for TLS, for both protocols. The client must have a certificate that `ca` has signed. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** A call that the server has received. `rows` is the size of the first dimension; `remaining` is the number of seconds until the deadline. */
export interface ServedCall {
  readonly protocol: 'grpc' | 'http'
  readonly signature: string
  readonly rows: readonly number[]
  readonly remaining?: number | null
  /** The headers that continue a trace. */
  readonly trace: { readonly [header: string]: string }
}

/** The program server.py in a process: both protocols of TensorFlow Serving, with messages and a gRPC library that are not Waggle's. */
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

  /** The calls after the first `from` calls, once there are `count` of them. The process reports calls with a delay. */
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

/** A Python with the packages of server.py, made once in a cache of the user; or the reason why it is not available. */
export function servingPython(): FoundPython {
  return pythonEnvironment('tensorflow-serving-api-2.21.0', [
    ['--only-binary=:all:', 'grpcio==1.85.3', 'protobuf==7.36.2'],
    // First the messages of TensorFlow without TensorFlow itself. Then the published messages of TensorFlow Serving, which replace messages of the
    // first package.
    ['--no-deps', 'tensorflow-protobuf==2.11.0'],
    ['--no-deps', 'tensorflow-serving-api==2.21.0'],
  ])
}
