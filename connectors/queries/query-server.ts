import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { httpStatus } from '../../topology/error-codes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { isLoopback } from '../http/loopback.ts'

/**
 * Answers a question with the rows of one partition of a store. Each row can be written as JSON. If the question cannot be answered, throws before
 * the first row.
 */
export type AnswerQuery = (question: unknown) => Promise<AsyncIterable<unknown>>

/**
 * Answers questions of other processes about this process's stores. POST /query takes a question as JSON, and returns one line for each row. A
 * failure returns a WaggleError as JSON. Callers send the application's secret as a bearer token. Without a secret, anybody who reaches the address
 * may ask, so the address must be loopback.
 */
export class QueryServer {
  /** The address of the server, as `host:port`. The port is the actual port, never 0. */
  readonly address: string
  readonly #server: Server

  private constructor(address: string, server: Server) {
    this.address = address
    this.#server = server
  }

  static async open(address: string, { secret, answer }: { readonly secret: string | null; readonly answer: AnswerQuery }): Promise<QueryServer> {
    const at = address.lastIndexOf(':')
    const host = address.slice(0, at)
    if (secret === null) refuseBeyondLoopback(address, host)
    const isKnown = signIn(secret)
    const server = createServer((request, response) => void respond(request, response, { isKnown, answer }))
    server.requestTimeout = requestTimeoutMs
    server.listen(Number(address.slice(at + 1)), host)
    try {
      await once(server, 'listening')
    } catch (thrown) {
      throw WaggleError.from('WAGGLE_ADDRESS_IN_USE', thrown, {
        message: `Nobody can listen at applicationServer ${address}`,
        next: 'Give an address of this machine that is free.',
      })
    }
    return new QueryServer(`${host}:${(server.address() as AddressInfo).port}`, server)
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}

/** The headers that prove that the sender has the secret. */
export function signedIn(secret: string | null): { readonly authorization?: string } {
  return secret === null ? {} : { authorization: `Bearer ${secret}` }
}

/** Makes the check of the secret. The check takes constant time, so that the duration reveals nothing about the secret. */
function signIn(secret: string | null): (request: IncomingMessage) => boolean {
  const wanted = digest(signedIn(secret).authorization ?? '')
  return ({ headers }) => secret === null || timingSafeEqual(digest(headers.authorization ?? ''), wanted)
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function refuseBeyondLoopback(address: string, host: string): void {
  if (isLoopback(host)) return
  throw new WaggleError('WAGGLE_INVALID_CONFIG', {
    message: `applicationServer ${address} is reached from other machines, and anybody there could read the stores`,
    next: 'Give all processes of the application the same applicationServerSecret.',
  })
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { isKnown, answer }: { readonly isKnown: (request: IncomingMessage) => boolean; readonly answer: AnswerQuery },
): Promise<void> {
  try {
    if (request.method !== 'POST' || request.url !== '/query') {
      response.writeHead(404).end()
      return
    }
    if (!isKnown(request)) {
      response
        .writeHead(httpStatus(notKnown.code), { 'content-type': 'application/json', 'www-authenticate': 'Bearer' })
        .end(JSON.stringify(notKnown))
      return
    }
    const rows = await answer(JSON.parse(await bodyOf(request)))
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    for await (const row of rows) {
      if (response.write(`${JSON.stringify(row)}\n`)) continue
      await Promise.race([once(response, 'drain'), once(response, 'close')])
      if (response.destroyed) return
    }
    // The last line marks the end of the answer. Without this line a client treats the answer as truncated.
    response.end(`${JSON.stringify(endOfRows)}\n`)
  } catch (thrown) {
    const { code, message, next } = WaggleError.from('WAGGLE_QUERY_FAILED', thrown, { next: 'See the process that was asked.' })
    if (response.headersSent) response.destroy()
    else response.writeHead(httpStatus(code), { 'content-type': 'application/json' }).end(JSON.stringify({ code, message, next }))
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > maxQuestionBytes) {
      throw new WaggleError('WAGGLE_TOO_LARGE', { message: 'The question is larger than 1 MiB', next: 'Ask with a smaller key.' })
    }
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString()
}

const notKnown = {
  code: 'WAGGLE_WRONG_SECRET',
  message: 'The process that holds the queried rows has another secret than the process that asks',
  next: 'Give all processes of the application the same applicationServerSecret.',
} as const
export const endOfRows = { end: true }
const maxQuestionBytes = 1024 * 1024
const requestTimeoutMs = 30_000
