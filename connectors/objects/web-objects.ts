import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../processor/ports.ts'
import type { ObjectBytes, ObjectListing, ObjectStore, StoredObject } from '../../topology/swarm/ports/objects.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import type { AllowedHosts } from '../http/allowed-hosts.ts'
import { guardedLookup } from '../http/guarded-lookup.ts'
import { errorCode } from '../system/error-code.ts'
import { filesBeside } from './files-beside.ts'
import { invalidAddress } from './invalid-address.ts'
import { away, isCertificateError, notFound, readable, refused } from './store-error.ts'
import { isStrong, versionTag } from './version-tag.ts'
import { parseWebAddress } from './web-address.ts'

export interface WebOptions {
  readonly hosts: AllowedHosts
  readonly clock: Clock
  /** PEM: authorities to trust in addition to Node's own. */
  readonly ca?: string
  /** Finds the addresses of a name. Default: the lookup of the operating system. */
  readonly lookup?: LookupFunction
}

/**
 * Files from web servers. Only allowed hosts are asked, and only at addresses that their names may have. A redirect may lead only to another path on
 * the same host.
 */
export class WebObjects implements ObjectStore {
  readonly #options: WebOptions

  constructor(options: WebOptions) {
    this.#options = options
  }

  async look(address: string, signal: AbortSignal): Promise<ObjectListing> {
    const url = parseWebAddress(address, this.#options.hosts)
    const name = nameOf(url, address)
    const file = await this.#probe(url, signal)
    if (file === null) throw notFound(address, 'the server said 404')
    // With a query, the address may be signed for only this file. So no other files are searched beside it.
    const besides = url.search === '' ? filesBeside(name) : []
    const found = await Promise.all(besides.map((path) => this.#optional(new URL(encodeURIComponent(path), url), path, signal)))
    return { kind: 'file', name, objects: [{ ...file, path: name }, ...found.filter((one) => one !== null)] }
  }

  async read(object: StoredObject, fromByte: number, signal: AbortSignal): Promise<ObjectBytes | null> {
    const url = parseWebAddress(object.key, this.#options.hosts)
    const headers = {
      ...(fromByte === 0 ? {} : { range: `bytes=${fromByte}-` }),
      ...(isStrong(object.etag) ? { 'if-match': object.etag } : {}),
    }
    const answer = await this.#get(url, headers, signal)
    const { statusCode = 0 } = answer
    const isOther = statusCode < 300 && versionTag(answer.headers.etag, answer.headers['last-modified']) !== object.etag
    if (statusCode === 404 || statusCode === 410 || statusCode === 412 || statusCode === 416 || isOther) {
      answer.destroy()
      return null
    }
    if (statusCode !== 200 && statusCode !== 206) throw statusError(answer, url)
    const begins = statusCode === 206 ? Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1]) : 0
    return { fromByte: begins, chunks: readable(object.key, answer) }
  }

  /** The file; null if the server does not have it. The request asks for one byte instead of HEAD, because some servers do not support HEAD. */
  async #probe(url: URL, signal: AbortSignal): Promise<Omit<StoredObject, 'path'> | null> {
    const answer = await this.#get(url, { range: 'bytes=0-0' }, signal)
    answer.destroy()
    const { statusCode = 0, headers } = answer
    if (statusCode === 404 || statusCode === 410) return null
    const all = statusCode === 206 || statusCode === 416 ? /\/(\d{1,16})$/.exec(headers['content-range'] ?? '')?.[1] : headers['content-length']
    if (statusCode !== 200 && statusCode !== 206 && statusCode !== 416) throw statusError(answer, url)
    if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity')
      throw refused(url.href, `the server sends it in the encoding ${headers['content-encoding']}, though none was asked for`, 'Correct the server.')
    const bytes = Number(all)
    if (all === undefined || !Number.isSafeInteger(bytes))
      throw refused(url.href, 'the server does not say how large it is', 'Put the file on a server that says the size.')
    return { key: url.href, bytes, etag: versionTag(headers.etag, headers['last-modified']), versionId: null }
  }

  async #optional(url: URL, path: string, signal: AbortSignal): Promise<StoredObject | null> {
    try {
      const found = await this.#probe(url, signal)
      return found === null ? null : { ...found, path }
    } catch (thrown) {
      if (thrown instanceof WaggleError && !(thrown instanceof Unavailable)) return null
      throw thrown
    }
  }

  async #get(start: URL, headers: { readonly [name: string]: string }, signal: AbortSignal): Promise<IncomingMessage> {
    let url = start
    for (let redirects = 0; redirects <= maxRedirects; redirects++) {
      const answer = await this.#send(url, headers, signal)
      const { location } = answer.headers
      if (![301, 302, 303, 307, 308].includes(answer.statusCode ?? 0) || location === undefined) return answer
      answer.destroy()
      const to = URL.parse(location, url.href)
      if (to === null || to.origin !== url.origin)
        throw refused(
          start.href,
          `the server sends on to ${to === null ? 'no address' : to.origin}`,
          'Name the address where the file is, and allow its host.',
        )
      url = parseWebAddress(to.href, this.#options.hosts)
    }
    throw refused(start.href, `the server has sent on more than ${maxRedirects} times`, 'Name the address where the file is.')
  }

  async #send(url: URL, headers: { readonly [name: string]: string }, signal: AbortSignal): Promise<IncomingMessage> {
    const { clock, ca } = this.#options
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const silent = new AbortController()
    const cancel = clock.after(answerMs, () => silent.abort(new Error(`the server did not answer within ${answerMs / 1000} s`)))
    try {
      return await new Promise((resolve, reject) => {
        const send = url.protocol === 'https:' ? httpsRequest : httpRequest
        const request = send(url, {
          headers: { 'accept-encoding': 'identity', 'user-agent': 'waggle', ...headers },
          agent: false,
          maxHeaderSize: maxHeaderBytes,
          lookup: guardedLookup({ hosts: this.#options.hosts, lookup: this.#options.lookup, forbidden: () => privateAddress(host) }),
          signal,
          ...(ca === undefined ? {} : { ca }),
        })
        silent.signal.addEventListener('abort', () => request.destroy(silent.signal.reason))
        request.once('response', resolve)
        request.once('error', reject)
        // If the server wants to switch a connection to another protocol, Node closes the connection and emits neither `response` nor `error`.
        request.once('close', () => reject(new Error('it ended without an answer')))
        request.end()
      })
    } catch (thrown) {
      if (signal.aborted) throw signal.reason
      if (thrown instanceof WaggleError) throw thrown
      if (isCertificateError(thrown))
        throw refused(url.href, `its certificate is not valid (${errorCode(thrown)})`, 'Set NODE_EXTRA_CA_CERTS to the file of its authority.')
      if (errorCode(thrown) === 'HPE_HEADER_OVERFLOW')
        throw refused(url.href, `its answer has more than ${maxHeaderBytes} bytes of headers`, 'Correct the server.')
      throw away(url.href, thrown)
    } finally {
      cancel()
    }
  }
}

/** The name of the file. Throws WAGGLE_MODEL_SOURCE for a path that does not end in a name. */
function nameOf(url: URL, address: string): string {
  try {
    const name = decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf('/') + 1))
    if (name !== '') return name
  } catch {
    throw invalidAddress(address, 'its path has a % that is not an escape')
  }
  throw invalidAddress(address, 'it ends in a slash, and a web server has no folders: name a file')
}

function statusError(answer: IncomingMessage, url: URL): WaggleError {
  const { statusCode = 0 } = answer
  answer.destroy()
  if (statusCode >= 500 || statusCode === 408 || statusCode === 425 || statusCode === 429)
    return away(url.href, new Error(`the server said ${statusCode}`))
  return refused(url.href, `the server said ${statusCode}`, 'Correct the address, or let this machine read it.')
}

function privateAddress(host: string): WaggleError {
  return refused(
    `https://${host}`,
    'its name stands for an address of a private network',
    'Add the address, or its network such as 10.0.0.0/8, to WAGGLE_MODEL_HOSTS, if the server is yours.',
  )
}

const maxRedirects = 5
const answerMs = 30_000
const maxHeaderBytes = 16 * 1024
