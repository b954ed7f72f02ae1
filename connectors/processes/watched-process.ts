import type { Clock } from '../../processor/ports.ts'
import type { OpenProcess, ProcessCall, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeRun, BeeRunEvents } from './bee-run.ts'
import { frozenMs, Heartbeat } from './heartbeat.ts'
import { type Hello, maxWindow, type StartFailure } from './hello.ts'
import { encodeControl, encodeRequest, maxMessageBytes, type Part, type Pong } from './message-codec.ts'
import { type Heard, MessageStream } from './message-stream.ts'
import { batchesOf, type OpenCall, OpenCalls } from './open-calls.ts'
import { closedError, diedError, endText, notStartedError, type ProcessEnd, timeoutError } from './process-errors.ts'
import { protocolError } from './protocol-fault.ts'

export interface WatchedProcessOptions {
  readonly clock: Clock
  /** Starts the program once more. */
  readonly start: (events: BeeRunEvents) => BeeRun
  /** The subject of a sentence about a start that failed. */
  readonly title: string
  /** The next step that an error about a failed start advises. */
  readonly advice: string
  readonly finishMs: number
  readonly termMs: number
  /** The most requests that a process gets at a time while other processes of the bee could do the rest. */
  readonly window?: number
  /** Called when the process has said hello, has died, or has no calls left. */
  readonly onChange?: () => void
}

type WatchedProgram = Pick<ProcessOptions, 'bee' | 'log'>

/**
 * A bee's process, which is restarted when it dies:
 *
 *     STARTING ──hello──► READY ──dies──► WAITING (back-off) ──► STARTING
 *        └──dies before its first hello──► FAILED        any ──close──► CLOSED
 *
 * Calls that were open at a death are sent again in groups (`KillingCallSearch`). A call fails only if it was open at two deaths, and was the only open call at
 * the second death. The back-off grows with each death without an open call. Deaths that a call may have caused do not count.
 */
export class WatchedProcess implements OpenProcess {
  readonly #options: WatchedProgram
  readonly #limits: WatchedProcessOptions
  readonly #clock: Clock
  readonly #calls = new OpenCalls()
  #run: BeeRun | null = null
  #hello: Hello | null = null
  #window = maxWindow
  #heartbeat: Heartbeat | null = null
  /** For each cancelled request that has no result yet, by id: a function that stops its timer. */
  readonly #graces = new Map<number, () => void>()
  #loadingLines = 0
  #startFailure: StartFailure | null = null
  #deathsAtRest = 0
  #closed = false
  /** The process that takes over the calls of this process after `close`. */
  #next: OpenProcess | null = null
  #isEnding = false
  /** The reason why Waggle kills the process; null while Waggle lets it run. */
  #fault: string | null = null
  #hangs = false
  #cancelTimer = () => {}
  readonly #started = Promise.withResolvers<void>()
  readonly #gone = Promise.withResolvers<void>()
  #hasStarted = false
  /** True if the last hello asked for parts of results. */
  #wantsParts = false

  constructor(options: WatchedProgram, limits: WatchedProcessOptions) {
    this.#options = options
    this.#limits = limits
    this.#clock = limits.clock
    this.#start()
  }

  /** Settles at the first hello. Rejects if the process ends before its hello, or sends no hello in time. */
  get started(): Promise<void> {
    return this.#started.promise
  }

  /** The number of calls without an outcome. */
  get load(): number {
    return this.#calls.size
  }

  /** True if a new call would be sent soon. The process has then said hello, is not closed, and does not try calls of a death again. */
  get isReady(): boolean {
    return !this.#closed && this.#hello !== null && this.#fault === null && !this.#calls.isTrial
  }

  get wantsParts(): boolean {
    return this.#wantsParts
  }

  call(calls: readonly ProcessCall[]): Promise<readonly (BeeResult | WaggleError)[]> {
    const outcomes = calls.map((call) => this.#added(call, calls))
    this.#pump()
    return Promise.all(outcomes)
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** The number of calls that were never sent. */
  get waiting(): number {
    return this.#calls.waitingCount
  }

  /** Takes about `count` calls that arrived last and were never sent, so that another process can run them. */
  takeWaiting(count = Number.POSITIVE_INFINITY): readonly OpenCall[] {
    return this.#calls.takeWaiting(count)
  }

  /** Takes over calls from another process. A closed process refuses them. */
  adopt(calls: readonly OpenCall[]): void {
    if (this.#closed) {
      for (const call of calls) call.settle(closedError(this.#options.bee))
      return
    }
    for (const call of calls) call.owner = this
    this.#calls.add(...calls)
    this.#pump()
  }

  async close(next?: OpenProcess): Promise<void> {
    this.#closed = true
    if (next !== undefined) {
      this.#next = next
      give(this.#hello === null ? this.#calls.takeUnsent() : this.takeWaiting(), next)
    }
    this.#cancelTimer()
    const run = this.#run
    if (run === null) {
      this.#settleUnsent(closedError(this.#options.bee))
      return
    }
    if (next === undefined) this.#endWithin(run)
    // A process that is still loading has no call to finish, so it gets SIGTERM at once.
    if (this.#hello === null && this.#calls.isEmpty) run.kill('SIGTERM')
    this.#pump()
    await this.#gone.promise
  }

  /** Ends a process that does not exit by itself. */
  #endWithin(run: BeeRun): void {
    if (this.#isEnding) return
    this.#isEnding = true
    const { finishMs, termMs } = this.#limits
    const cancelTerm = this.#clock.after(finishMs, () => run.kill('SIGTERM'))
    const cancelKill = this.#clock.after(finishMs + termMs, () => run.kill('SIGKILL'))
    void this.#gone.promise.then(() => {
      cancelTerm()
      cancelKill()
    })
  }

  #added(call: ProcessCall, batch: readonly ProcessCall[]): Promise<BeeResult | WaggleError> {
    if (this.#closed) return Promise.resolve(closedError(this.#options.bee))
    return new Promise((resolve) => {
      const giveUp = () => added.owner.giveUp(added)
      const settle = (outcome: BeeResult | WaggleError) => {
        call.signal.removeEventListener('abort', giveUp)
        resolve(outcome)
      }
      const added: OpenCall = { call, batch, settle, owner: this, attempts: 0, deaths: 0, sentAt: 0 }
      if (call.signal.aborted) {
        giveUp()
        return
      }
      call.signal.addEventListener('abort', giveUp, { once: true })
      this.#calls.add(added)
    })
  }

  #start(): void {
    this.#hello = null
    this.#fault = null
    this.#startFailure = null
    this.#hangs = false
    this.#loadingLines = 0
    this.#window = maxWindow
    const stream = new MessageStream(this.#options.bee, maxMessageBytes)
    const run: BeeRun = this.#limits.start({
      stdout: (chunk) => this.#hear(stream, chunk),
      hasRequest: (id) => this.#calls.hasRequest(id),
      gone: (why) => this.#die(run, why),
    })
    run.onDrain(() => this.#pump())
    this.#run = run
    this.#awaitHello()
  }

  #awaitHello(): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.after(helloMs, () =>
      this.#end(`it said no hello within ${helloMs / 1000} s: the first line of a process is {"waggle": 1}`),
    )
  }

  #hear(stream: MessageStream, chunk: Buffer): void {
    if (this.#fault !== null) return
    this.#heartbeat?.heard()
    try {
      for (const heard of stream.push(chunk)) this.#take(heard)
    } catch (thrown) {
      const error = WaggleError.from('WAGGLE_BEE_PROTOCOL', thrown, { next: 'See bees/PROTOCOL.md.' })
      this.#options.log('error', `${error.message}. ${error.next}`)
      this.#end(error.message)
      return
    }
    this.#pump()
  }

  #take(heard: Heard): void {
    switch (heard.kind) {
      case 'result':
        if (!this.#calls.answer(heard.id, heard.outcome))
          throw protocolError(this.#options.bee, `a result with the id ${heard.id}, which no open request has`)
        this.#deathsAtRest = 0
        this.#endGrace(heard.id)
        if (this.#calls.size === 0) this.#limits.onChange?.()
        return
      case 'part':
        this.#publish(heard)
        return
      case 'hello':
        this.#greet(heard)
        return
      case 'loading':
        if (++this.#loadingLines > maxLoadingLines) throw protocolError(this.#options.bee, `more than ${maxLoadingLines} lines before its hello`)
        this.#options.log('info', `loading ${heard.what}`)
        this.#awaitHello()
        return
      case 'failed':
        this.#startFailure = heard
        return
      case 'window':
        this.#window = heard.window
        return
      case 'pong':
        this.#checkPong(heard)
    }
  }

  /** Publishes a part of an open call. If the part cannot be published, the call fails at once, and the process is told to give up the call. */
  #publish({ id, number, part }: Part): void {
    const { bee } = this.#options
    const open = this.#calls.sent(id)
    if (open === null) {
      if (this.#calls.isGivenUp(id)) return
      throw protocolError(bee, `a part of request ${id}, which no open request has`)
    }
    const refuse = (thrown: unknown) => {
      open.settle(WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: `See the log of ${bee}.` }))
      this.giveUp(open)
    }
    if (part instanceof WaggleError) refuse(part)
    else if (open.call.parts === undefined) refuse(protocolError(bee, 'a part, and its hello does not want parts'))
    else open.call.parts.publish(part, number).catch(refuse)
  }

  #greet(hello: Hello): void {
    this.#cancelTimer()
    this.#hello = hello
    this.#wantsParts = hello.wants.has('parts')
    this.#window = hello.window < maxWindow ? Math.min(hello.window, this.#limits.window ?? maxWindow) : maxWindow
    if (hello.wants.has('ping')) {
      this.#heartbeat = new Heartbeat(this.#clock, {
        ping: (number) => this.#run?.write(encodeControl({ ping: number }, hello.form)),
        hangs: () => this.#hang(`it answered no ping within ${frozenMs / 1000} s`),
      })
    }
    this.#hasStarted = true
    this.#started.resolve()
    this.#limits.onChange?.()
  }

  #checkPong({ pong }: Pong): void {
    if (this.#heartbeat?.isSent(pong) !== true) throw protocolError(this.#options.bee, `the pong ${pong}, which answers no ping`)
  }

  /** Sends all calls that may be sent now. After `close`, ends the input of the process once every call has its outcome. */
  #pump(): void {
    const run = this.#run
    const hello = this.#hello
    if (run === null || this.#fault !== null) return
    if (hello !== null) {
      const next = () => this.#calls.next(this.#window, run.unreadBytes > maxUnreadBytes)
      for (let calls = next(); calls.length > 0; calls = next()) this.#send(run, hello, calls)
    }
    if (!this.#closed || !this.#calls.isEmpty) return
    run.end()
    this.#endWithin(run)
  }

  /** Sends calls together. The calls are encoded from the last to the first, because a call says whether another call of its batch follows. */
  #send(run: BeeRun, { form, wants }: Hello, calls: readonly OpenCall[]): void {
    const withHeaders = wants.has('headers')
    const withParts = wants.has('parts')
    const ids = calls.map((call) => this.#calls.idOf(call))
    const messages: (readonly Uint8Array[])[] = []
    let next: OpenCall | null = null
    for (let at = calls.length - 1; at >= 0; at--) {
      const call = calls[at] as OpenCall
      const id = ids[at] as number
      try {
        messages.unshift(encodeRequest(id, call.call, { attempt: call.attempts, more: next?.batch === call.batch, withHeaders, withParts }, form))
        next = call
      } catch (thrown) {
        this.#calls.withdraw(id)
        call.settle(WaggleError.from('WAGGLE_BEE_INPUT', thrown, { next: 'Send an input that JSON can hold.' }))
      }
    }
    for (const message of messages) run.write(message)
  }

  /** Kills the process because of a fault. `#die` follows when the process has ended. */
  #end(fault: string): void {
    this.#fault ??= fault
    this.#run?.kill('SIGKILL')
  }

  /** Kills a process that hangs. No request is blamed for this death. */
  #hang(fault: string): void {
    this.#hangs = true
    this.#end(fault)
  }

  #die(run: BeeRun, why: string): void {
    this.#cancelTimer()
    this.#heartbeat?.stop()
    this.#heartbeat = null
    for (const id of this.#graces.keys()) this.#endGrace(id)
    this.#run = null
    this.#hello = null
    const lastWords = this.#fault === null ? run.lastWords : [...run.lastWords, this.#fault]
    const end: ProcessEnd = { why, lastWords, failure: this.#startFailure }
    const died = () => diedError(this.#options.bee, end)
    const open = this.#calls.takeSent()
    const atRest = open.length === 0 && !this.#hangs
    if (this.#hangs) this.#calls.sendAgain(open)
    else this.#blame(open, died)
    if (this.#closed) {
      this.#settleUnsent(died())
      this.#started.reject(died())
      this.#gone.resolve()
      return
    }
    if (!this.#hasStarted) {
      this.#closed = true
      this.#started.reject(notStartedError({ bee: this.#options.bee, ...this.#limits }, end))
      return
    }
    const waitMs = atRest ? Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.#deathsAtRest++) : firstBackOffMs
    this.#options.log('error', `the process ${endText(end)}; starting it again in ${waitMs / 1000} s`)
    this.#cancelTimer = this.#clock.after(waitMs, () => this.#start())
    this.#limits.onChange?.()
  }

  #blame(open: readonly OpenCall[], died: () => WaggleError): void {
    for (const one of open) one.deaths++
    const [first] = open
    if (first !== undefined && open.length === 1 && first.deaths >= 2) first.settle(died())
    else this.#calls.tryAgain(open)
  }

  /** Cancels a call that nobody waits for any more. */
  giveUp(given: OpenCall): void {
    given.settle(timeoutError(this.#options.bee))
    const id = this.#calls.giveUp(given)
    const hello = this.#hello
    if (id !== null && hello !== null) {
      if (hello.wants.has('cancel')) {
        this.#run?.write(encodeControl({ cancel: id }, hello.form))
        const stop = this.#clock.after(cancelMs, () => {
          this.#graces.delete(id)
          this.#endIfHanging(id, hello)
        })
        this.#graces.set(id, stop)
      } else {
        this.#endIfHanging(id, hello)
      }
    }
    this.#pump()
  }

  #endGrace(id: number): void {
    this.#graces.get(id)?.()
    this.#graces.delete(id)
  }

  #endIfHanging(id: number, { window }: Hello): void {
    if (this.#closed || !this.#calls.isGivenUp(id)) return
    const leftOpen = this.#calls.givenUpCount
    if (leftOpen >= window) this.#hang(`it left ${leftOpen} requests without a result`)
    else if (this.#calls.hangsSince(id)) this.#hang('it gave no result since a call that timed out')
  }

  #settleUnsent(error: WaggleError): void {
    const unsent = this.#calls.takeUnsent()
    if (this.#next === null) for (const call of unsent) call.settle(error)
    else give(unsent, this.#next)
  }
}

function give(calls: readonly OpenCall[], next: OpenProcess): void {
  for (const batch of batchesOf(calls)) {
    void next.call(batch.map(({ call }) => call)).then((outcomes) => {
      for (const [at, outcome] of outcomes.entries()) batch[at]?.settle(outcome)
    })
  }
}

const maxUnreadBytes = 8 * 1024 * 1024
const helloMs = 60_000
const maxLoadingLines = 10
/** The time that a process has to end a cancelled request. */
const cancelMs = 5_000
const firstBackOffMs = 100
const maxBackOffMs = 30_000
