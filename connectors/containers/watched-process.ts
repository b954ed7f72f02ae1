import type { Clock } from '../../processor/ports.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import type { OpenProcess, ProcessCall, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { Child } from './child.ts'
import { encodeRequest, type Form } from './message.ts'
import { MessageStream } from './message-stream.ts'

interface Pending {
  readonly call: ProcessCall
  readonly settle: (outcome: Payload | WaggleError) => void
  attempts: number
  /** Results that had come when it was sent: none since means that the process hangs. */
  sentAt: number
}

/**
 * A bee's process, kept alive:
 *
 *     STARTING ──hello──► READY ──dies──► WAITING (back-off) ──► STARTING
 *        └──dies before its first hello──► FAILED        any ──close──► CLOSED
 *
 * Calls that were open when it died are sent once more, alone, one after the other: only what kills it again fails.
 */
export class WatchedProcess implements OpenProcess {
  readonly #options: ProcessOptions
  readonly #clock: Clock
  readonly #open = new Map<number, Pending>()
  #waiting: Pending[] = []
  #suspects: Pending[] = []
  #child: Child | null = null
  #form: Form | null = null
  #nextId = 1
  #results = 0
  #deaths = 0
  #closed = false
  #lastWords: string[] = []
  #cancelTimer = () => {}
  readonly #started = Promise.withResolvers<void>()
  readonly #gone = Promise.withResolvers<void>()
  #hasStarted = false

  constructor(options: ProcessOptions, clock: Clock) {
    this.#options = options
    this.#clock = clock
    this.#start()
  }

  /** Rejects where it ends, or says nothing, before its first hello. */
  get started(): Promise<void> {
    return this.#started.promise
  }

  call(calls: readonly ProcessCall[]): Promise<readonly (Payload | WaggleError)[]> {
    return Promise.all(
      calls.map(
        (call) =>
          new Promise<Payload | WaggleError>((settle) => {
            const pending: Pending = { call, settle, attempts: 0, sentAt: 0 }
            call.signal.addEventListener('abort', () => this.#giveUp(pending), { once: true })
            this.#waiting.push(pending)
            this.#pump()
          }),
      ),
    )
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelTimer()
    const child = this.#child
    if (child === null) return
    const cancelTerm = this.#clock.after(finishMs, () => child.kill('SIGTERM'))
    const cancelKill = this.#clock.after(finishMs + termMs, () => child.kill('SIGKILL'))
    if (this.#open.size === 0) child.end()
    await this.#gone.promise
    cancelTerm()
    cancelKill()
  }

  #start(): void {
    this.#form = null
    this.#lastWords = []
    const { bee, log } = this.#options
    const stream = new MessageStream(bee, maxMessageBytes)
    this.#child = new Child(this.#options, {
      stdout: (chunk) => this.#hear(stream, chunk),
      stderr: (line) => {
        this.#lastWords = [...this.#lastWords, line].slice(-5)
        log('info', line)
      },
      gone: (why) => this.#die(why),
    })
    this.#cancelTimer = this.#clock.after(helloMs, () => {
      this.#lastWords.push(`it said no hello within ${helloMs / 1000} s: the first line on standard output is {"waggle": 1}`)
      this.#child?.kill('SIGKILL')
    })
  }

  #hear(stream: MessageStream, chunk: Buffer): void {
    try {
      for (const heard of stream.push(chunk)) {
        if (heard.kind === 'hello') {
          this.#cancelTimer()
          this.#form = heard.form
          this.#hasStarted = true
          this.#started.resolve()
          continue
        }
        const pending = this.#open.get(heard.id)
        this.#open.delete(heard.id)
        this.#results++
        this.#deaths = 0
        // A call that was given up has no one waiting; settling it again changes nothing.
        pending?.settle(heard.outcome)
      }
    } catch (thrown) {
      const error = WaggleError.from('WAGGLE_BEE_PROTOCOL', thrown, { next: 'See bees/PROTOCOL.md.' })
      this.#lastWords.push(error.message)
      this.#options.log('error', `${error.message}. ${error.next}`)
      this.#child?.kill('SIGKILL')
      return
    }
    this.#pump()
  }

  #pump(): void {
    const child = this.#child
    if (child === null || this.#form === null) return
    if (this.#suspects.length > 0) {
      if (this.#open.size > 0) return
      const suspect = this.#suspects.shift()
      if (suspect !== undefined) this.#send(child, this.#form, suspect)
      return
    }
    while (this.#waiting.length > 0 && !(this.#open.size > 0 && child.unreadBytes > maxUnreadBytes)) {
      const pending = this.#waiting.shift()
      if (pending !== undefined) this.#send(child, this.#form, pending)
    }
    if (this.#waiting.length > 0) child.onDrain(() => this.#pump())
    else if (this.#closed && this.#open.size === 0) child.end()
  }

  #send(child: Child, form: Form, pending: Pending): void {
    const id = this.#nextId++
    pending.attempts++
    pending.sentAt = this.#results
    this.#open.set(id, pending)
    child.write(encodeRequest(id, pending.call, pending.attempts, form))
  }

  #die(why: string): void {
    this.#cancelTimer()
    this.#child = null
    this.#form = null
    const { command, bee, log } = this.#options
    const words = this.#lastWords.length === 0 ? '' : `; its last words: ${this.#lastWords.join(' │ ')}`
    const open = [...this.#open.values()]
    this.#open.clear()
    const wasAlone = open.length === 1
    for (const pending of open) {
      if (pending.attempts >= 2 && wasAlone) pending.settle(died(bee, why, words))
      else this.#suspects.push(pending)
    }
    if (this.#closed) {
      for (const pending of [...this.#suspects.splice(0), ...this.#waiting.splice(0)]) pending.settle(died(bee, why, words))
      this.#started.reject(died(bee, why, words))
      this.#gone.resolve()
      return
    }
    if (!this.#hasStarted) {
      this.#closed = true
      this.#started.reject(
        new WaggleError('WAGGLE_BEE_NOT_STARTED', {
          message: `The command of ${bee}, ${command.join(' ')}, ${why}${words}`,
          next: 'Run the command by hand to see why, or correct it in the swarm or under resolve: in waggle.yaml.',
        }),
      )
      return
    }
    const waitMs = Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.#deaths++)
    log('error', `the process ${why}${words}; starting it again in ${waitMs / 1000} s`)
    this.#cancelTimer = this.#clock.after(waitMs, () => this.#start())
  }

  #giveUp(pending: Pending): void {
    pending.settle(
      new WaggleError('WAGGLE_BEE_TIMEOUT', { message: `${this.#options.bee} gave no result in time`, next: 'Give it a longer timeout_seconds.' }),
    )
    this.#waiting = this.#waiting.filter((one) => one !== pending)
    this.#suspects = this.#suspects.filter((one) => one !== pending)
    for (const [id, one] of this.#open) {
      if (one !== pending) continue
      this.#open.delete(id)
      if (pending.sentAt !== this.#results || this.#closed) continue
      this.#lastWords.push('it gave no result since a call that timed out')
      this.#child?.kill('SIGKILL')
    }
  }
}

function died(bee: string, why: string, words: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_DIED', { message: `The process of ${bee} ${why} while it had this request${words}`, next: 'See its log.' })
}

const maxMessageBytes = 64 * 1024 * 1024
const maxUnreadBytes = 8 * 1024 * 1024
const helloMs = 60_000
const finishMs = 10_000
const termMs = 5_000
const firstBackOffMs = 100
const maxBackOffMs = 30_000
