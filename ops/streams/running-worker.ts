import { MessageChannel, Worker } from 'node:worker_threads'
import type { Borrower, EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { ServedLog } from '../../connectors/log/remote/served-log.ts'
import { PortPeer, type Serving } from '../../connectors/system/port-peer.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { StarterCalls, StreamWorkerData, WorkerCalls } from './worker-protocol.ts'

export interface RunningWorkerOptions {
  readonly log: EmbeddedLog
  readonly data: Omit<StreamWorkerData, 'log' | 'handle'>
  readonly calls: Serving<StarterCalls>
}

/**
 * One worker, from its start to its end. While it lives it reads the log's database, so that this is ended before that is closed:
 *
 *     lent ──► runs ──(it returns, dies, is ended)──► what it had sent is committed or not ──► its partitions are free
 */
export class RunningWorker {
  readonly peer: PortPeer<WorkerCalls>
  /** Why it ended; settles when its partitions are free. */
  readonly ended: Promise<WaggleError>
  readonly #worker: Worker
  readonly #served: ServedLog
  #endedByLog: boolean

  private constructor({ log, data, calls }: RunningWorkerOptions, lent: Lent) {
    const { port1, port2 } = new MessageChannel()
    const workerData: StreamWorkerData = { ...data, log: port2, handle: lent.handle }
    this.#worker = new Worker(new URL('./stream-worker.ts', import.meta.url), { workerData, transferList: [port2], name: data.threadName })
    this.#served = new ServedLog(log, port1)
    this.#endedByLog = false
    this.peer = new PortPeer(this.#worker, calls)
    this.ended = this.#untilEnded(data.threadName, lent)
  }

  static async start(options: RunningWorkerOptions): Promise<RunningWorker> {
    for (;;) {
      let worker: RunningWorker | null = null
      let isTooLate = false
      const borrower: Borrower = {
        async end() {
          isTooLate = true
          if (worker !== null) await worker.#endForLog()
        },
      }
      const lent = await options.log.lend(borrower)
      // What was lent may have been closed by now.
      if (!isTooLate) {
        worker = new RunningWorker(options, lent)
        return worker
      }
      lent.giveBack()
    }
  }

  /** How often something of it became durable. */
  get commits(): number {
    return this.#served.commits
  }

  /** The log had to close its database: no failure of what runs here. */
  get endedByLog(): boolean {
    return this.#endedByLog
  }

  /** At once, wherever it is. */
  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #endForLog(): Promise<void> {
    this.#endedByLog = true
    return this.end()
  }

  async #untilEnded(name: string, { giveBack }: Lent): Promise<WaggleError> {
    let cause: unknown = null
    this.#worker.on('error', (error) => {
      cause = error
    })
    const code = await new Promise<number>((resolve) => this.#worker.on('exit', resolve))
    giveBack()
    const why = cause instanceof Error ? cause.message : `it exited with ${code}`
    const error = new WaggleError('WAGGLE_WORKER_DIED', {
      message: `The worker of ${name} has ended: ${why}`,
      next: 'Its tasks go on from their last commit; see the cause.',
      ...(cause === null ? {} : { cause }),
    })
    this.peer.close(error)
    await this.#served.close()
    return error
  }
}

interface Lent {
  readonly handle: bigint
  giveBack(): void
}
