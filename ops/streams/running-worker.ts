import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import type { Borrower } from '../../connectors/log/embedded/lent-disk.ts'
import { ServedLog } from '../../connectors/log/remote/served-log.ts'
import { PortPeer, type Serving } from '../../connectors/system/port-peer.ts'
import { moduleFile } from '../../topology/module-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { StarterCalls, StreamWorkerData, WorkerCalls } from './worker-protocol.ts'

export interface RunningWorkerOptions {
  /** The log that the worker borrows; null if the worker opens its own log. */
  readonly log: EmbeddedLog | null
  readonly data: Omit<StreamWorkerData, 'lent'>
  readonly calls: Serving<StarterCalls>
}

/**
 * One worker, from its start to its end. A worker reads the log's database, so it must end before the database closes:
 *
 *     lent ──► runs ──(it returns, dies, is ended)──► its last commit is done or dropped ──► its partitions are free
 */
export class RunningWorker {
  readonly peer: PortPeer<WorkerCalls>
  /** Settles with the reason why the worker ended, as soon as other members of the group can have the worker's partitions. */
  readonly ended: Promise<WaggleError>
  readonly #worker: Worker
  readonly #served: ServedWorker | null
  #endedByLog = false

  private constructor({ data, calls }: RunningWorkerOptions, served: ServedWorker | null) {
    const lent = served === null ? null : { log: served.port, handle: served.handle }
    const workerData: StreamWorkerData = { ...data, lent }
    const transferList = served === null ? [] : [served.port]
    this.#worker = new Worker(moduleFile(new URL('./worker-program.ts', import.meta.url)), { workerData, transferList, name: data.threadName })
    this.#served = served
    this.peer = new PortPeer(this.#worker, calls)
    this.ended = this.#untilEnded(data.threadName, served)
  }

  static async start(options: RunningWorkerOptions): Promise<RunningWorker> {
    const { log } = options
    if (log === null) return new RunningWorker(options, null)
    for (;;) {
      let worker: RunningWorker | null = null
      let isTooLate = false
      const borrower: Borrower = {
        async end() {
          isTooLate = true
          if (worker !== null) await worker.#endForLog()
        },
      }
      const lent = await log.lend(borrower)
      // The log may have begun to close its database during the lending.
      if (!isTooLate) {
        worker = new RunningWorker(options, serve(log, lent))
        return worker
      }
      lent.giveBack()
    }
  }

  /** The number of durable commits; null for a worker with its own log. */
  get commits(): number | null {
    return this.#served?.commits ?? null
  }

  /** True if the worker ended because the log had to close its database, and not by a failure. */
  get endedByLog(): boolean {
    return this.#endedByLog
  }

  /** Ends the worker at once, without waiting for its work. */
  async end(): Promise<void> {
    await this.#worker.terminate()
  }

  #endForLog(): Promise<void> {
    this.#endedByLog = true
    return this.end()
  }

  async #untilEnded(name: string, served: ServedWorker | null): Promise<WaggleError> {
    let cause: unknown = null
    this.#worker.on('error', (error) => {
      cause = error
    })
    const code = await new Promise<number>((resolve) => this.#worker.on('exit', resolve))
    served?.giveBack()
    const why = cause instanceof Error ? cause.message : `it exited with ${code}`
    const error = new WaggleError('WAGGLE_WORKER_DIED', {
      message: `The worker of ${name} has ended: ${why}`,
      next: 'Its tasks go on from their last commit; see the cause.',
      ...(cause === null ? {} : { cause }),
    })
    this.peer.close(error)
    await served?.close()
    return error
  }
}

/** The access to the starting thread's log, for a worker without its own log. */
interface ServedWorker {
  readonly port: MessagePort
  readonly handle: bigint
  readonly commits: number
  giveBack(): void
  close(): Promise<void>
}

function serve(log: EmbeddedLog, { handle, giveBack }: { readonly handle: bigint; giveBack(): void }): ServedWorker {
  const { port1, port2 } = new MessageChannel()
  const served = new ServedLog(log, port1)
  return {
    port: port2,
    handle,
    giveBack,
    get commits() {
      return served.commits
    },
    close: () => served.close(),
  }
}
