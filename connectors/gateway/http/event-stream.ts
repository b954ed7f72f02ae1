import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../../../processor/ports.ts'
import { WaitingEvents } from '../waiting-events.ts'

/**
 * The body of a `text/event-stream` response. A comment at the start and every 15 s keeps the connection open. If more than `maxWaitingBytes` wait
 * for a slow caller, the response ends after the waiting events. The caller can continue with `Last-Event-ID`.
 */
export class EventStream {
  readonly #body = new Readable({ read: () => this.#fill() })
  readonly #waiting = new WaitingEvents<Buffer>()
  readonly #clock: Clock
  #cancelComment = () => {}
  #isEnded = false
  /** True while the response accepts more data. */
  #isHungry = false

  /** `onClose` is called once, when the response ends or the caller disconnects. */
  constructor(clock: Clock, onClose: () => void) {
    this.#clock = clock
    this.#body.once('close', () => {
      this.#cancelComment()
      this.#waiting.clear()
      onClose()
    })
    this.#body.once('error', () => {})
    // Node sends the headers of a response together with its first bytes, so a comment is written at once.
    this.#push(comment)
    this.#commentLater()
  }

  /** Sends an event, and returns the bytes of its text. With an empty `id`, the caller cannot continue from this event. */
  send(event: string, id: string, data: object): number {
    // A caller could not send a very long id back in its `Last-Event-ID` header, so such an id is left out.
    const named = id !== '' && id.length <= maxIdLength ? `id: ${id}\n` : ''
    return this.#push(`event: ${event}\n${named}data: ${JSON.stringify(data)}\n\n`)
  }

  /** True if the response accepts no further event. */
  get isClosed(): boolean {
    return this.#isEnded || this.#body.destroyed
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#fill()
  }

  /** Ends the response without the rest of its events. */
  cut(): void {
    this.#body.destroy()
  }

  answer(reply: FastifyReply): FastifyReply {
    return reply.header('content-type', 'text/event-stream').header('cache-control', 'no-store').header('x-accel-buffering', 'no').send(this.#body)
  }

  #push(text: string): number {
    if (this.#body.destroyed || this.#isEnded) return 0
    const bytes = Buffer.from(text)
    if (!this.#waiting.add(bytes, bytes.byteLength)) this.end()
    else if (this.#isHungry) this.#fill()
    return bytes.byteLength
  }

  /** Gives the response as much data as it accepts now. The rest waits until the response asks again. */
  #fill(): void {
    this.#isHungry = true
    while (this.#isHungry && !this.#body.destroyed) {
      const next = this.#waiting.take()
      if (next !== undefined) this.#isHungry = this.#body.push(next)
      else {
        if (this.#isEnded) this.#body.push(null)
        return
      }
    }
  }

  #commentLater(): void {
    this.#cancelComment = this.#clock.after(commentMs, () => {
      this.#push(comment)
      this.#commentLater()
    })
  }
}

const comment = ': \n\n'
const commentMs = 15_000
const maxIdLength = 4096
