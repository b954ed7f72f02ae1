import type { Clock } from '../../processor/ports.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import type { OpenProcess, ProcessCall, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeRun, BeeRunEvents } from './bee-run.ts'
import { encodeRequest, type Form, maxMessageBytes, protocolError, type Result } from './message.ts'
import { MessageStream } from './message-stream.ts'
import { Trials } from './trials.ts'

export interface WatchedProcessOptions {
  readonly clock: Clock
  readonly finishMs: number
  readonly termMs: number
  /** Starts the program once more. */
  readonly start: (events: BeeRunEvents) => BeeRun
  /** The subject of a sentence about a start that failed. */
  readonly title: string
  /** The next step after a start that failed. */
  readonly advice: string
}

type WatchedProgram = Pick<ProcessOptions, 'bee' | 'log'>

interface Pending {
  readonly call: ProcessCall
  readonly settle: (outcome: Payload | WaggleError) => void
  attempts: number
  /** The number of times that the process died during this call. */
  deaths: number
  /** The number of results when the call was sent. If no result has come until the call times out, the process hangs. */
  sentAt: number
}

/**
 * A bee's process, which is restarted when it dies:
 *
 *     STARTING ──hello──► READY ──dies──► WAITING (back-off) ──► STARTING
 *        └──dies before its first hello──► FAILED        any ──close──► CLOSED
 *
 * Calls that were open at a death are sent again in groups (`Trials`). A call fails only when it was the only open one at its second death. The
 * back-off grows with deaths without an open call, not with deaths that calls may have caused.
 */
export class WatchedProcess implements OpenProcess {
  readonly #options: WatchedProgram
  readonly #limits: WatchedProcessOptions
  readonly #clock: Clock
  /** Open calls by id, in the order of sending. */
  readonly #open = new Map<number, Pending>()
  /** Ids of calls that timed out. Their results may still come, and are ignored. */
  readonly #givenUp = new Set<number>()
  readonly #trials = new Trials<Pending>()
  #waiting: Pending[] = []
  #child: BeeRun | null = null
  #form: Form | null = null
  #nextId = 1
  #results = 0
  #deathsAtRest = 0
  #closed = false
  /** The reason why Waggle kills the process; null while it does not. */
  #fault: string | null = null
  #hangs = false
  #cancelTimer = () => {}
  readonly #started = Promise.withResolvers<void>()
  readonly #gone = Promise.withResolvers<void>()
  #hasStarted = false

  constructor(options: WatchedProgram, limits: WatchedProcessOptions) {
    this.#options = options
    this.#limits = limits
    this.#clock = limits.clock
    this.#start()
  }

  /** Settles at the first hello. Rejects if the process ends before it, or sends none in time. */
  get started(): Promise<void> {
    return this.#started.promise
  }

  call(calls: readonly ProcessCall[]): Promise<readonly (Payload | WaggleError)[]> {
    return Promise.all(calls.map((call) => this.#callOne(call)))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer()
    const child = this.#child
    if (child === null) {
      this.#settleAll(this.#closedError())
      return
    }
    const { finishMs, termMs } = this.#limits
    const cancelTerm = this.#clock.after(finishMs, () => child.kill('SIGTERM'))
    const cancelKill = this.#clock.after(finishMs + termMs, () => child.kill('SIGKILL'))
    this.#pump()
    await this.#gone.promise
    cancelTerm()
    cancelKill()
  }

  #callOne(call: ProcessCall): Promise<Payload | WaggleError> {
    if (this.#closed) return Promise.resolve(this.#closedError())
    return new Promise((resolve) => {
      const giveUp = () => this.#giveUp(pending)
      const settle = (outcome: Payload | WaggleError) => {
        call.signal.removeEventListener('abort', giveUp)
        resolve(outcome)
      }
      const pending: Pending = { call, settle, attempts: 0, deaths: 0, sentAt: 0 }
      if (call.signal.aborted) return giveUp()
      call.signal.addEventListener('abort', giveUp, { once: true })
      this.#waiting.push(pending)
      this.#pump()
    })
  }

  #start(): void {
    this.#form = null
    this.#fault = null
    this.#hangs = false
    this.#givenUp.clear()
    const stream = new MessageStream(this.#options.bee, maxMessageBytes)
    const child = this.#limits.start({
      stdout: (chunk) => this.#hear(stream, chunk),
      gone: (why) => this.#die(child, why),
    })
    child.onDrain(() => this.#pump())
    this.#child = child
    this.#cancelTimer = this.#clock.after(helloMs, () =>
      this.#end(`it said no hello within ${helloMs / 1000} s: the first line on standard output is {"waggle": 1}`),
    )
  }

  #hear(stream: MessageStream, chunk: Buffer): void {
    if (this.#fault !== null) return
    try {
      for (const heard of stream.push(chunk)) {
        if (heard.kind === 'result') this.#answer(heard)
        else this.#hello(heard.form)
      }
    } catch (thrown) {
      const error = WaggleError.from('WAGGLE_BEE_PROTOCOL', thrown, { next: 'See bees/PROTOCOL.md.' })
      this.#options.log('error', `${error.message}. ${error.next}`)
      this.#end(error.message)
      return
    }
    this.#pump()
  }

  #hello(form: Form): void {
    this.#cancelTimer()
    this.#form = form
    this.#hasStarted = true
    this.#started.resolve()
  }

  #answer({ id, outcome }: Result): void {
    const pending = this.#open.get(id)
    if (pending === undefined) {
      if (this.#givenUp.delete(id)) return
      throw protocolError(this.#options.bee, `a result with the id ${id}, which no open request has`)
    }
    this.#open.delete(id)
    this.#results++
    this.#deathsAtRest = 0
    pending.settle(outcome)
  }

  /** Sends all calls that may be sent now. After `close` it ends the process's input when all calls have their results. */
  #pump(): void {
    const child = this.#child
    const form = this.#form
    if (child === null || this.#fault !== null) return
    if (form !== null) this.#sendAll(child, form)
    if (this.#closed && this.#open.size === 0 && this.#waiting.length === 0 && this.#trials.isEmpty) child.end()
  }

  #sendAll(child: BeeRun, form: Form): void {
    while (this.#open.size === 0 && !this.#trials.isEmpty) for (const pending of this.#trials.next()) this.#send(child, form, pending)
    if (this.#isTrial()) return
    while (this.#waiting.length > 0 && this.#open.size < maxOpen && !(this.#open.size > 0 && child.unreadBytes > maxUnreadBytes)) {
      const pending = this.#waiting.shift()
      if (pending !== undefined) this.#send(child, form, pending)
    }
  }

  /** True while the calls of the last death are tried again. No other call is sent then, so that the next death is the fault of one of them. */
  #isTrial(): boolean {
    if (!this.#trials.isEmpty) return true
    const [first] = this.#open.values()
    return first !== undefined && first.deaths > 0
  }

  #send(child: BeeRun, form: Form, pending: Pending): void {
    const id = this.#nextId++
    let message: Buffer
    try {
      message = encodeRequest(id, pending.call, pending.attempts + 1, form)
    } catch (thrown) {
      pending.settle(WaggleError.from('WAGGLE_BEE_INPUT', thrown, { next: 'Send an input that JSON can hold.' }))
      return
    }
    pending.attempts++
    pending.sentAt = this.#results
    this.#open.set(id, pending)
    child.write(message)
  }

  /** Kills the process because of a fault. `#die` does the rest. */
  #end(fault: string): void {
    this.#fault ??= fault
    this.#child?.kill('SIGKILL')
  }

  #die(child: BeeRun, why: string): void {
    this.#cancelTimer()
    this.#child = null
    this.#form = null
    const lastWords = this.#fault === null ? child.lastWords : [...child.lastWords, this.#fault]
    const words = lastWords.length === 0 ? '' : `; its last words: ${lastWords.join(' │ ')}`
    const open = [...this.#open.values()]
    this.#open.clear()
    const atRest = open.length === 0 && !this.#hangs
    if (this.#hangs) this.#waiting.unshift(...open)
    else this.#blame(open, () => this.#died(why, words))
    if (this.#closed) {
      this.#settleAll(this.#died(why, words))
      this.#started.reject(this.#died(why, words))
      this.#gone.resolve()
      return
    }
    if (!this.#hasStarted) {
      this.#closed = true
      this.#started.reject(this.#notStarted(why, words))
      return
    }
    const waitMs = atRest ? Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.#deathsAtRest++) : firstBackOffMs
    this.#options.log('error', `the process ${why}${words}; starting it again in ${waitMs / 1000} s`)
    this.#cancelTimer = this.#clock.after(waitMs, () => this.#start())
  }

  #blame(open: readonly Pending[], died: () => WaggleError): void {
    for (const pending of open) pending.deaths++
    const [first] = open
    if (first === undefined) return
    if (open.length === 1 && first.deaths >= 2) first.settle(died())
    else this.#trials.split(open)
  }

  #giveUp(pending: Pending): void {
    pending.settle(
      new WaggleError('WAGGLE_BEE_TIMEOUT', { message: `${this.#options.bee} gave no result in time`, next: 'Give it a longer timeout_seconds.' }),
    )
    const waits = this.#waiting.indexOf(pending)
    if (waits >= 0) this.#waiting.splice(waits, 1)
    this.#trials.delete(pending)
    for (const [id, one] of this.#open) {
      if (one !== pending) continue
      this.#open.delete(id)
      this.#givenUp.add(id)
      const leftOpen = this.#givenUp.size > maxGivenUp
      if ((pending.sentAt !== this.#results && !leftOpen) || this.#closed) break
      this.#hangs = true
      this.#end(leftOpen ? `it left ${maxGivenUp} requests without a result` : 'it gave no result since a call that timed out')
    }
    this.#pump()
  }

  #settleAll(error: WaggleError): void {
    for (const pending of [...this.#trials.takeAll(), ...this.#waiting.splice(0)]) pending.settle(error)
  }

  #died(why: string, words: string): WaggleError {
    return new WaggleError('WAGGLE_BEE_DIED', {
      message: `The process of ${this.#options.bee} ${why} while it had this request${words}`,
      next: `See the lines of ${this.#options.bee} in the log of the process.`,
    })
  }

  #closedError(): WaggleError {
    return new WaggleError('WAGGLE_BEE_DIED', { message: `The process of ${this.#options.bee} is stopped`, next: 'Send the request again.' })
  }

  #notStarted(why: string, words: string): WaggleError {
    const { title, advice } = this.#limits
    return new WaggleError('WAGGLE_BEE_NOT_STARTED', { message: `${title} ${why}${words}`, next: advice })
  }
}

const maxUnreadBytes = 8 * 1024 * 1024
const maxOpen = 1024
const maxGivenUp = 1024
const helloMs = 60_000
const firstBackOffMs = 100
const maxBackOffMs = 30_000
