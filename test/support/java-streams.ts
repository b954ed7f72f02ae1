import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface JavaStreamsOptions {
  /** The folders of the jars and of the compiled program, from `withKafkaStreams`. */
  readonly libs: string
  readonly classes: string
  /** The class with the program. The program prints each state of Kafka Streams, and runs until its standard input ends. */
  readonly main: string
  readonly arguments: readonly string[]
}

/** A Kafka Streams program in a separate Java process. */
export class JavaStreams {
  readonly #options: JavaStreamsOptions
  #child: ReturnType<typeof spawn> | null = null

  constructor(options: JavaStreamsOptions) {
    this.#options = options
  }

  /** Starts the program, and settles when it is RUNNING. The process is killed when the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { libs, classes, main } = this.#options
    const argv = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xmx256m', '-cp', `${classes}:${libs}/*`, main, ...this.#options.arguments]
    const child = spawn('java', argv, { stdio: ['pipe', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' })
    // An abort is also an error of the child, but its test has already timed out.
    child.on('error', () => {})
    this.#child = child
    for await (const line of createInterface(child.stdout)) if (line === 'RUNNING') return
    throw new Error('Kafka Streams did not run')
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.stdout?.resume()
    child.stdin?.end()
    await ended
  }
}
