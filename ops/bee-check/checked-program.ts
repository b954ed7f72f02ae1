import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { BeeSocket } from '../../connectors/processes/bee-socket.ts'
import { ChosenStream } from '../../connectors/processes/chosen-stream.ts'
import type { Guardian } from '../../connectors/processes/guardian.ts'
import type { Hello } from '../../connectors/processes/hello.ts'
import { encodeControl, encodeRequest, type Form, maxMessageBytes, type Part, type Result } from '../../connectors/processes/message-codec.ts'
import { type Heard, MessageStream } from '../../connectors/processes/message-stream.ts'
import { ProcessLog } from '../../connectors/processes/process-log.ts'
import { inherited } from '../../connectors/processes/process-run.ts'
import { killGroup } from '../../connectors/system/process-group.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** The failure of a check: the reason, and the next step. */
export class CheckFailure extends Error {
  readonly next: string
  constructor(message: string, next: string) {
    super(message)
    this.next = next
  }
}

/** One run of a program that is checked. Unlike a swarm, a check can also read slowly, cut messages into pieces and send wrong messages. */
export class CheckedProgram {
  readonly #limitMs: number
  readonly #process: ChildProcess
  readonly #socket: BeeSocket
  readonly #chosenStream: ChosenStream
  readonly #guardian: Guardian
  readonly #logs: ProcessLog[] = []
  readonly #results = new Map<number, Result>()
  readonly #pongs = new Set<number>()
  /** The number of parts of each request. */
  readonly #parts = new Map<number, number>()
  #hello: Hello | null = null
  #window = 1024
  #nextId = 1
  #open = 0
  #fault: CheckFailure | null = null
  #end: string | null = null
  #isStopped = false
  #changed = Promise.withResolvers<void>()

  constructor([program = '', ...argv]: readonly string[], limitMs: number, guardian: Guardian) {
    this.#limitMs = limitMs
    this.#guardian = guardian
    this.#socket = new BeeSocket((connection) => this.#chosenStream.connected(connection))
    const own = { WAGGLE_PROTOCOL: '1', WAGGLE_SWARM: 'check', WAGGLE_BEE: 'check' }
    const socket = this.#socket.path === null ? {} : { WAGGLE_BEE_SOCKET: this.#socket.path }
    this.#process = spawn(program, argv, { detached: true, env: { ...inherited(), ...own, ...socket }, stdio: 'pipe' })
    const stream = new MessageStream('It', maxMessageBytes)
    this.#chosenStream = new ChosenStream(this.#process, () => this.#socket.close(), {
      heard: (chunk) => this.#hear(stream, chunk),
      ended: () => {},
      logs: (stdout) => this.#logs.push(new ProcessLog(stdout, systemClock, () => {})),
    })
    if (this.#process.stderr !== null) this.#logs.push(new ProcessLog(this.#process.stderr, systemClock, () => {}))
    if (this.#process.pid !== undefined) guardian.watch(this.#process.pid)
    this.#process.once('error', ({ message }) => this.#ended(`cannot be started: ${message}`))
    this.#process.once('exit', (code, signal) => {
      const end = signal === null ? `ended with status ${code}` : `was ended by ${signal}`
      this.#process.once('close', () => this.#chosenStream.onceRead(() => this.#ended(end)))
    })
  }

  /** Waits for the program's hello, which is its first message. */
  async hello(): Promise<Hello> {
    await this.#until(
      () => this.#hello !== null,
      helloMs,
      () => new CheckFailure('It says no hello within 60 seconds', helloStep),
    )
    return this.#hello as Hello
  }

  get isSocket(): boolean {
    return this.#chosenStream.isSocket
  }

  get form(): Form {
    return this.#hello?.form ?? 'json'
  }

  /** The largest number of requests that the program may have without a result. */
  get window(): number {
    return this.#window
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get isOver(): boolean {
    return this.#end !== null || this.#fault !== null
  }

  /** Sends a request when the window allows it, and returns its id. `change` may change the bytes of the message. */
  async send(
    payload: Payload,
    { more = false, change }: { readonly more?: boolean; readonly change?: (bytes: Buffer) => readonly Buffer[] } = {},
  ): Promise<number> {
    await this.#until(
      () => this.#open < this.#window,
      this.#limitMs,
      () => new CheckFailure(`It leaves ${this.#open} requests without a result`, answerStep),
    )
    const id = this.#nextId++
    const call = { id: `check-${id}`, payload, deadline: Date.now() + this.#limitMs, signal: new AbortController().signal }
    const pieces = encodeRequest(id, call, { attempt: 1, more, withHeaders: false, withParts: false }, this.form)
    this.#open++
    if (change === undefined) this.#chosenStream.write(pieces)
    else
      for (const part of change(Buffer.concat(pieces))) {
        this.#chosenStream.write([part])
        await new Promise((resolve) => setImmediate(resolve))
      }
    return id
  }

  cancel(id: number): void {
    this.#chosenStream.write(encodeControl({ cancel: id }, this.form))
  }

  async ping(number: number): Promise<void> {
    this.#chosenStream.write(encodeControl({ ping: number }, this.form))
    await this.#until(
      () => this.#pongs.has(number),
      this.#limitMs,
      () =>
        new CheckFailure(
          `It gives no pong within ${this.#limitMs / 1000} s`,
          'Answer {"ping": n} with {"pong": n} at once, or do not list "ping" in wants.',
        ),
    )
  }

  /** Waits for the result of a request. Throws if a swarm could not use the result. */
  async result(id: number, { mayBeCancelled = false } = {}): Promise<Result['outcome']> {
    await this.#until(
      () => this.#results.has(id),
      this.#limitMs,
      () => new CheckFailure(`It gives no result for request ${id} within ${this.#limitMs / 1000} s`, answerStep),
    )
    const outcome = this.#results.get(id)?.outcome as Result['outcome']
    if (!mayBeCancelled && outcome instanceof WaggleError && outcome.code === 'WAGGLE_BEE_PROTOCOL')
      throw new CheckFailure(outcome.message, 'Write one of json, content_type with bytes, tensors, refuse and error beside the id.')
    return outcome
  }

  /** Sends a request and waits for its result. */
  async ask(payload: Payload): Promise<Result['outcome']> {
    return this.result(await this.send(payload))
  }

  pause(): void {
    this.#chosenStream.pause()
  }

  resume(): void {
    this.#chosenStream.resume()
  }

  /** Ends the program's input, and waits until the program ends. */
  async finish(): Promise<string> {
    this.#chosenStream.end()
    const finishMs = Math.min(15_000, 3 * this.#limitMs)
    await this.#until(
      () => this.#end !== null,
      finishMs,
      () =>
        new CheckFailure(
          `It does not exit within ${finishMs / 1000} s after the end of its input`,
          'Exit when the input ends and all results are written.',
        ),
      true,
    )
    return this.#end ?? ''
  }

  /** Kills the program and all processes that it has started. */
  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    const { pid } = this.#process
    if (pid !== undefined) {
      killGroup(pid)
      if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit')
      this.#guardian.forget(pid)
    }
    this.#end ??= 'was stopped'
    this.#socket.close()
    this.#chosenStream.destroy()
    for (const log of this.#logs) log.end()
  }

  #hear(stream: MessageStream, chunk: Buffer): void {
    if (this.#fault !== null) return
    try {
      for (const heard of stream.push(chunk)) this.#take(heard)
    } catch (thrown) {
      const error = WaggleError.from('WAGGLE_BEE_PROTOCOL', thrown, { next: 'See bees/PROTOCOL.md.' })
      this.#fail(error.message, error.next)
    }
    this.#notice()
  }

  #take(heard: Heard): void {
    switch (heard.kind) {
      case 'hello':
        this.#hello = heard
        this.#window = heard.window
        return
      case 'failed':
        this.#fail(`It cannot start: ${heard.place === null ? '' : `${heard.place}: `}${heard.why}`, heard.next ?? 'Correct the program.')
        return
      case 'result':
        if (heard.id >= this.#nextId || heard.id < 1)
          this.#fail(`It answers a request ${heard.id}, which it was never sent`, 'Give each result the id of its request.')
        else if (this.#results.has(heard.id)) this.#fail(`It answers request ${heard.id} twice`, 'Write one result for each request.')
        else {
          this.#results.set(heard.id, heard)
          this.#open--
        }
        return
      case 'part':
        this.#takePart(heard)
        return
      case 'window':
        this.#window = heard.window
        return
      case 'pong':
        this.#pongs.add(heard.pong)
    }
  }

  #takePart({ id, number, part }: Part): void {
    const count = this.#parts.get(id) ?? 0
    if (this.#hello?.wants.has('parts') !== true) this.#fail('It publishes a part, and its hello does not say so', 'List "parts" in wants.')
    else if (id >= this.#nextId || id < 1)
      this.#fail(`It publishes a part of request ${id}, which it was never sent`, 'Give each part the id of its request.')
    else if (this.#results.has(id)) this.#fail(`It publishes a part of request ${id} after its result`, 'Publish parts before the result.')
    else if (number !== count) this.#fail(`It publishes part ${number} of request ${id} where part ${count} comes next`, 'Count parts from 0.')
    else if (part instanceof WaggleError)
      this.#fail(part.message, 'Write one of json, content_type with bytes, and tensors beside the number of a part.')
    else this.#parts.set(id, count + 1)
  }

  #fail(message: string, next: string): void {
    this.#fault ??= new CheckFailure(message, next)
    this.#notice()
  }

  #ended(why: string): void {
    this.#end = why
    this.#notice()
  }

  #notice(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }

  async #until(isTrue: () => boolean, limitMs: number, late: () => CheckFailure, mayEnd = false): Promise<void> {
    const timeout = Promise.withResolvers<'late'>()
    const cancel = systemClock.after(limitMs, () => timeout.resolve('late'))
    try {
      for (;;) {
        if (this.#fault !== null) throw this.#fault
        if (isTrue()) return
        if (this.#end !== null && !mayEnd) throw this.#died()
        if ((await Promise.race([this.#changed.promise, timeout.promise])) === 'late') throw late()
      }
    } finally {
      cancel()
    }
  }

  #died(): CheckFailure {
    const words = this.#logs.flatMap(({ lastLines }) => lastLines)
    const said = words.length === 0 ? '' : `; its last words: ${words.join(' │ ')}`
    return this.#hello === null
      ? new CheckFailure(`It ${this.#end} before its hello${said}`, helloStep)
      : new CheckFailure(
          `It ${this.#end}${said}`,
          'Catch errors: refuse an input that does not fit, and answer error where something else goes wrong.',
        )
  }
}

const helloMs = 60_000
const helloStep = 'Write the line {"waggle": 1} first, and flush it.'
const answerStep = 'Write one result for each request, with its id, and flush it.'
