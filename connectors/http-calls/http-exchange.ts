import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../processor/ports.ts'
import type { HttpAnswer, HttpCall } from '../../topology/swarm/ports/http-calls.ts'
import { saidBy } from '../../topology/waggle-error.ts'
import { isCertificateError } from '../objects/store-error.ts'
import { errorCode } from '../system/error-code.ts'

/** An exchange that gave no usable answer. */
export class ExchangeFailure extends Error {
  /**
   * - `unsent`: no connection was made, so the server has not seen the request
   *  - `broken`: the connection broke, and the server may have seen the request
   *  - `unusable`: the server answered, but the answer cannot be used
   *  - `forbidden`: all addresses of the server's name are forbidden
   */
  readonly kind: 'unsent' | 'broken' | 'unusable' | 'forbidden'

  constructor(kind: ExchangeFailure['kind'], message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

export interface ExchangeOptions {
  readonly clock: Clock
  readonly lookup: LookupFunction
  /** The agent whose connections may be shared. Null: the call opens its own connection. */
  readonly agent: Agent | null
}

/** One request and its whole answer. Throws an `ExchangeFailure`, or the reason of the call's signal. */
export async function exchange(
  { method, url, headers, body, attemptMs, maxAnswerBytes, signal }: HttpCall,
  { clock, lookup, agent }: ExchangeOptions,
): Promise<HttpAnswer & { readonly retryAfter: string | null }> {
  const slow = new AbortController()
  const cancel = clock.after(attemptMs, () => slow.abort(new ExchangeFailure('broken', `gave no answer within ${attemptMs / 1000} s`)))
  let isConnected = false
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest
      const request = send(url, { method, headers, agent: agent ?? false, lookup, signal, maxHeaderSize: maxHeaderBytes })
      slow.signal.addEventListener('abort', () => request.destroy(slow.signal.reason))
      request.on('socket', (socket) => {
        if (request.reusedSocket) isConnected = true
        else socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => (isConnected = true))
      })
      request.once('response', resolve)
      request.once('error', reject)
      // If the server wants to switch a connection to another protocol, Node closes the connection and emits neither `response` nor `error`.
      request.once('close', () => reject(new Error('it ended without an answer')))
      request.end(body ?? undefined)
    })
    return {
      status: answer.statusCode ?? 0,
      contentType: answer.headers['content-type'] ?? '',
      location: answer.headers.location ?? null,
      retryAfter: answer.headers['retry-after'] ?? null,
      bytes: await bytesOf(answer, maxAnswerBytes),
    }
  } catch (thrown) {
    if (signal.aborted) throw signal.reason
    // Without a connection at the time limit, the request was never sent. The error says so, because such a call may be repeated.
    if (slow.signal.aborted && !isConnected) throw new ExchangeFailure('unsent', `took no connection within ${attemptMs / 1000} s`)
    throw failureOf(thrown, isConnected)
  } finally {
    cancel()
  }
}

async function bytesOf(answer: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const encoding = answer.headers['content-encoding'] ?? 'identity'
  const tooLarge = () => new ExchangeFailure('unusable', `answers with more than ${maxBytes} bytes`)
  const chunks: Buffer[] = []
  let size = 0
  try {
    if (encoding !== 'identity') throw new ExchangeFailure('unusable', `answers in the encoding ${encoding.slice(0, 50)}, which was not asked for`)
    if (Number(answer.headers['content-length'] ?? 0) > maxBytes) throw tooLarge()
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (thrown) {
    answer.destroy()
    throw thrown
  }
  return Buffer.concat(chunks)
}

function failureOf(thrown: unknown, isConnected: boolean): ExchangeFailure {
  if (thrown instanceof ExchangeFailure) return thrown
  const code = errorCode(thrown)
  if (isCertificateError(thrown)) return new ExchangeFailure('unusable', `has a certificate that is not valid (${code})`, thrown)
  if (code.startsWith('HPE_')) return new ExchangeFailure('unusable', `answers with something that is not HTTP (${code})`, thrown)
  // OpenSSL's own errors, for example if the server speaks no TLS.
  if (/^(EPROTO|ERR_SSL)/.test(code)) return new ExchangeFailure('unusable', `does not speak TLS as expected (${code})`, thrown)
  const said = saidBy(thrown) || code
  return isConnected
    ? new ExchangeFailure('broken', `broke off the connection: ${said}`, thrown)
    : new ExchangeFailure('unsent', `takes no connection: ${said}`, thrown)
}

const maxHeaderBytes = 16 * 1024
