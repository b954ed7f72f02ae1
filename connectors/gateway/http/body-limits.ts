import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { Clock } from '../../../processor/ports.ts'
import { ProblemError } from './problem.ts'
import { onResponseEnd } from './response-end.ts'

export interface BodyLimitsOptions {
  readonly clock: Clock
  /** The size limit of one decoded body. */
  readonly maxBodyBytes: number
  /** The size limit of all bodies together. A body counts until its request is answered. */
  readonly maxBodiesBytes: number
  /** The lowest rate of a body, measured over `slowWindowMs`. A body below this rate is refused with 408. */
  readonly minBytesPerSecond: number
  readonly slowWindowMs: number
}

/**
 * Reads bodies into memory, and limits their total size until their requests are answered. Only decoded bytes that have arrived count; the announced
 * length of a body does not. If the total reaches the limit, the body that has been arriving for longest is refused.
 */
export class BodyLimits {
  readonly #options: BodyLimitsOptions
  readonly #arriving = new Set<ArrivingBody>()
  #heldBytes = 0
  #sweptAtMs = 0
  #isSweepDue = false

  constructor(options: BodyLimitsOptions) {
    this.#options = options
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Throws 413 or 503 if the headers alone show that the body cannot be taken. */
  refuseAhead({ headers }: IncomingMessage): void {
    const { maxBodyBytes, maxBodiesBytes } = this.#options
    if (Number(headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge(maxBodyBytes)
    if (this.#heldBytes >= maxBodiesBytes && this.#oldest() === null && hasBody(headers)) throw this.#overloaded()
  }

  /** Reads and decodes the body. Rejects with a ProblemError: 400 for a body that breaks off, 408 for a slow body, 413, 415, or 503. */
  async read(request: IncomingMessage, response: ServerResponse): Promise<Buffer<ArrayBuffer>> {
    const { clock } = this.#options
    // The client waits for `100 Continue` before it sends its body.
    if (request.headers.expect !== undefined) response.writeContinue()
    const body = new ArrivingBody(request, decoderOf(request), clock.elapsedMs(), (bytes) => this.#take(body, bytes))
    const { socket } = request
    onResponseEnd(request, response, () => this.#release(body))
    this.#arriving.add(body)
    if (!this.#isSweepDue) this.#sweepLater()
    try {
      const whole = await body.whole
      // The connection may have closed during the decoding, or before this call. Then nobody else releases the body.
      if (response.destroyed || socket.destroyed) this.#release(body)
      return whole
    } catch (error) {
      this.#release(body)
      throw error
    } finally {
      this.#arriving.delete(body)
    }
  }

  #take(body: ArrivingBody, bytes: number): void {
    const { maxBodyBytes, maxBodiesBytes } = this.#options
    if (body.heldBytes + bytes > maxBodyBytes) {
      body.fail(tooLarge(maxBodyBytes))
      return
    }
    while (this.#heldBytes + bytes > maxBodiesBytes) {
      const oldest = this.#oldest()
      if (oldest === null || oldest === body) {
        body.fail(this.#overloaded())
        return
      }
      this.#arriving.delete(oldest)
      this.#release(oldest)
      oldest.fail(this.#overloaded())
    }
    body.heldBytes += bytes
    this.#heldBytes += bytes
  }

  /** Frees the memory of a body, when its request is answered or its bytes are dropped. */
  #release(body: ArrivingBody): void {
    this.#heldBytes -= body.heldBytes
    body.heldBytes = 0
  }

  /** The body that began first, among the arriving bodies that hold bytes; null if no body holds bytes. */
  #oldest(): ArrivingBody | null {
    // The set keeps bodies in the order of their arrival.
    for (const body of this.#arriving) if (body.heldBytes > 0) return body
    return null
  }

  #overloaded(): ProblemError {
    return new ProblemError('WAGGLE_OVERLOADED', `${this.#heldBytes} bytes of requests are in flight`, 1)
  }

  #sweepLater(): void {
    const { clock, slowWindowMs } = this.#options
    this.#sweptAtMs = clock.elapsedMs()
    this.#isSweepDue = true
    clock.after(slowWindowMs / 4, () => this.#sweep())
  }

  #sweep(): void {
    const { clock, slowWindowMs, minBytesPerSecond } = this.#options
    const now = clock.elapsedMs()
    // A pause of this process delays the bodies too. That delay is not the fault of their senders, so all windows start again.
    const wasHeldUp = now - this.#sweptAtMs > slowWindowMs / 2
    for (const body of this.#arriving) {
      if (wasHeldUp) body.startWindow(now)
      else if (now - body.windowStartMs >= slowWindowMs) {
        if (body.windowBytes < (minBytesPerSecond * slowWindowMs) / 1000) body.fail(tooSlow(minBytesPerSecond))
        body.startWindow(now)
      }
    }
    this.#isSweepDue = false
    if (this.#arriving.size > 0) this.#sweepLater()
  }
}

class ArrivingBody {
  readonly whole: Promise<Buffer<ArrayBuffer>>
  heldBytes = 0
  windowStartMs: number
  windowBytes = 0
  #fail: (error: ProblemError) => void = () => {}

  /** `take` is called with the number of decoded bytes before the bytes are stored. It may fail the body. */
  constructor(request: IncomingMessage, decoder: Transform | null, nowMs: number, take: (bytes: number) => void) {
    this.windowStartMs = nowMs
    this.whole = new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let isOver = false
      const end = (error: ProblemError | null) => {
        if (isOver) return
        isOver = true
        decoder?.destroy()
        // `concat` copies even a single chunk. The chunk itself would keep the whole buffer of its read in memory.
        if (error === null) resolve(Buffer.concat(chunks))
        else {
          request.unpipe()
          request.pause()
          reject(error)
        }
        chunks.length = 0
      }
      const decoded = (chunk: Buffer) => {
        // Once the body has failed, Node still reads the rest, and this handler drops it.
        if (isOver) return
        if (decoder === null) this.windowBytes += chunk.length
        take(chunk.length)
        if (!isOver) chunks.push(chunk)
      }
      this.#fail = end
      if (decoder !== null)
        request.on('data', (chunk: Buffer) => {
          this.windowBytes += chunk.length
        })
      // `end` has no effect the second time, so `on` is enough. `on` costs less than `once`.
      request.on('error', () => end(brokenOff()))
      // A complete body may still be in the decoder, so `close` ends only an incomplete one.
      request.on('close', () => {
        if (!request.complete) end(brokenOff())
      })
      const source = decoder === null ? request : request.pipe(decoder)
      source.on('data', decoded)
      source.on('end', () => end(request.complete ? null : brokenOff()))
      decoder?.once('error', (error) =>
        end(new ProblemError('WAGGLE_BAD_BODY', `The body is not encoded as Content-Encoding says: ${error.message}`)),
      )
    })
  }

  startWindow(nowMs: number): void {
    this.windowStartMs = nowMs
    this.windowBytes = 0
  }

  /** Fails the body and drops its bytes. */
  fail(error: ProblemError): void {
    this.#fail(error)
  }
}

function decoderOf({ headers }: IncomingMessage): Transform | null {
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity') return null
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined
  if (decoder !== undefined) return decoder()
  throw new ProblemError('WAGGLE_CONTENT_ENCODING', 'The Content-Encoding is not one that this gateway decodes: send gzip, deflate, br or none')
}

const decoders: { readonly [encoding: string]: () => Transform } = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

function hasBody(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function tooLarge(maxBodyBytes: number): ProblemError {
  return new ProblemError('WAGGLE_BODY_TOO_LARGE', `The body is larger than the ${maxBodyBytes} bytes that this gateway accepts (max_body_bytes)`)
}

function tooSlow(minBytesPerSecond: number): ProblemError {
  return new ProblemError('WAGGLE_SLOW_BODY', `The body came at less than ${minBytesPerSecond} bytes a second`)
}

function brokenOff(): ProblemError {
  return new ProblemError('WAGGLE_BAD_BODY', 'The body broke off')
}
