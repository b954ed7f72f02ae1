import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { errorIn, predictBody, readMetadata, readPrediction } from './http-json.ts'
import {
  type CallLimit,
  type ExpectedOutput,
  maxAnswerBytes,
  type NamedTensors,
  type ServedMetadata,
  type ServingClient,
  type ServingClientOptions,
} from './serving-client.ts'
import { ServingFailure } from './serving-failure.ts'

/** The client of a TensorFlow Serving over HTTP: https://www.tensorflow.org/tfx/serving/api_rest. The client follows no redirects. */
export class HttpClient implements ServingClient {
  readonly #options: ServingClientOptions
  readonly #agent: HttpAgent
  readonly #path: string

  constructor(options: ServingClientOptions) {
    const { address, tls } = options
    this.#options = options
    this.#agent = address.protocol === 'https' ? new HttpsAgent({ keepAlive: true, ...tls }) : new HttpAgent({ keepAlive: true })
    const { version, label } = address
    const chosen = version !== null ? `/versions/${version}` : label !== null ? `/labels/${encodeURIComponent(label)}` : ''
    this.#path = `${address.prefix}/v1/models/${encodeURIComponent(address.model)}${chosen}`
  }

  async metadata(limit: CallLimit): Promise<ServedMetadata> {
    return readMetadata(await this.#call('GET', '/metadata', '', limit))
  }

  async predict(inputs: NamedTensors, outputs: readonly ExpectedOutput[], limit: CallLimit): Promise<NamedTensors> {
    const text = await this.#call('POST', ':predict', predictBody(this.#options.signature, inputs), limit)
    return readPrediction(text, outputs)
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Makes a call, and returns the body of the response. If the connection is not open within `connectMs`, the server counts as unreachable. */
  #call(method: 'GET' | 'POST', action: string, body: string, { signal, trace }: CallLimit): Promise<string> {
    const { address, connectMs, after } = this.#options
    const bytes = Buffer.from(body)
    const options: RequestOptions = {
      agent: this.#agent,
      method,
      hostname: address.hostname,
      port: address.port,
      path: `${this.#path}${action}`,
      headers: {
        ...trace,
        accept: 'application/json',
        ...(method === 'POST' ? { 'content-type': 'application/json', 'content-length': bytes.length } : {}),
      },
      lookup: this.#options.hosts.guardedLookup,
      signal,
    }
    return new Promise((resolve, reject) => {
      let isConnected = false
      let isAnswered = false
      const request = address.protocol === 'https' ? httpsRequest(options) : httpRequest(options)
      const cancelTimer = after(connectMs, () =>
        request.destroy(new ServingFailure('away', `does not take a connection within ${connectMs / 1000} s`)),
      )
      const connected = () => {
        isConnected = true
        cancelTimer()
      }
      request.on('socket', (socket) => {
        if (request.reusedSocket) connected()
        else socket.once(address.protocol === 'https' ? 'secureConnect' : 'connect', connected)
      })
      request.on('close', () => {
        cancelTimer()
        // If the server wants to switch a connection to another protocol, Node closes the connection and emits neither `response` nor `error`.
        if (!isAnswered) reject(failureOf(new Error('it ended without an answer'), isConnected, signal))
      })
      request.on('error', (error) => reject(failureOf(error, isConnected, signal)))
      request.on('response', (response) => {
        isAnswered = true
        textOf(response).then(
          (text) => {
            const failure = failureOfStatus(response, text)
            if (failure === null) resolve(text)
            else reject(failure)
          },
          (error: Error) => {
            request.destroy()
            reject(failureOf(error, true, signal))
          },
        )
      })
      request.end(bytes)
    })
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const encoding = response.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    throw new ServingFailure('unusable', `answers in the encoding ${encoding}, which was not asked for`)
  const told = Number(response.headers['content-length'] ?? 0)
  if (told > maxAnswerBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxAnswerBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function tooLarge(): ServingFailure {
  return new ServingFailure('unusable', `answers with more than ${maxAnswerBytes / 1024 / 1024} MiB`)
}

/** The failure that a response stands for; null for status 200. */
function failureOfStatus({ statusCode = 0, headers }: IncomingMessage, text: string): ServingFailure | null {
  if (statusCode === 200) return null
  if (statusCode >= 300 && statusCode < 400)
    return new ServingFailure('unusable', `redirects to ${JSON.stringify(headers.location ?? '').slice(0, 200)}, which is not followed`)
  const said = `answers ${statusCode}: ${errorIn(text)}`
  if (statusCode === 404) return new ServingFailure('missing', said)
  if (statusCode === 429 || statusCode === 503) return new ServingFailure('away', said)
  return new ServingFailure(statusCode === 502 ? 'broken' : 'refused', said)
}

function failureOf(error: Error, isConnected: boolean, signal: AbortSignal): ServingFailure {
  if (error instanceof ServingFailure) return error
  if (signal.aborted) return new ServingFailure('late', 'gave no answer in time', error)
  const said =
    'code' in error && typeof error.code === 'string' && !error.message.includes(error.code) ? `${error.message} (${error.code})` : error.message
  if (!isConnected) return new ServingFailure('away', `takes no connection: ${said || error.name}`, error)
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('HPE_'))
    return new ServingFailure('unusable', `answers with something that is not HTTP: ${said}`, error)
  return new ServingFailure('broken', `broke off the connection: ${said}`, error)
}
