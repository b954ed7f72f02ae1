import { readFile } from 'node:fs/promises'
import { WaggleError } from '../../topology/waggle-error.ts'
import { loadConfig } from '../config/config.ts'
import { bearer, environmentToken } from '../inspection/bearer.ts'
import { problemOf } from '../inspection/http-problem.ts'
import { runningProcess } from '../inspection/open-management.ts'
import { contentTypeOfFile } from './content-types.ts'
import { exitStatus } from './exit-status.ts'

export interface RequestOptions {
  readonly verb: 'request' | 'submit'
  readonly gateway: string
  /** The address of a running process. Default: the process that has the data directory open, else the port of the settings. */
  readonly url?: string
  readonly data?: string
  readonly file?: string
  readonly contentType?: string
  readonly idempotencyKey?: string
  readonly timeout?: string
  readonly json: boolean
}

/** `waggle request GATEWAY` and `waggle submit GATEWAY`: prints the answer unchanged, or the id of a submitted request. */
export async function request(options: RequestOptions): Promise<number> {
  const { verb, gateway, json } = options
  const { url, token } = options.url === undefined ? await usualServer() : { url: options.url, token: environmentToken() }
  const { body, contentType } = await inputOf(options)
  const headers = new Headers({ 'content-type': contentType, ...bearer(token) })
  if (options.idempotencyKey !== undefined) headers.set('idempotency-key', options.idempotencyKey)
  if (options.timeout !== undefined) headers.set('x-timeout-seconds', options.timeout)
  const response = await send(`${url.replace(/\/$/, '')}/v1/gateways/${encodeURIComponent(gateway)}/${verb}`, { method: 'POST', headers, body })
  const bytes = Buffer.from(await response.arrayBuffer())
  if (!response.ok) throw problemOf(response, bytes)
  if (verb === 'submit' && !json) process.stdout.write(`${(JSON.parse(bytes.toString()) as { request_id: string }).request_id}\n`)
  else {
    process.stdout.write(bytes)
    if (response.headers.get('content-type')?.startsWith('application/json')) process.stdout.write('\n')
  }
  return exitStatus.done
}

async function usualServer(): Promise<{ readonly url: string; readonly token: string }> {
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  const running = await runningProcess(settings)
  return running ?? { url: `http://127.0.0.1:${settings.http_port || 8080}`, token: environmentToken() }
}

async function inputOf({
  data,
  file,
  contentType,
}: RequestOptions): Promise<{ readonly body: Uint8Array<ArrayBuffer>; readonly contentType: string }> {
  if (data !== undefined) return { body: Uint8Array.from(Buffer.from(data)), contentType: contentType ?? 'application/json' }
  if (file === undefined || file === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    return { body: Uint8Array.from(Buffer.concat(chunks)), contentType: contentType ?? 'application/json' }
  }
  try {
    return {
      body: Uint8Array.from(await readFile(file)),
      contentType: contentType ?? contentTypeOfFile(file) ?? 'application/octet-stream',
    }
  } catch (cause) {
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', {
      message: `${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      next: 'Name a file that is there, or - for standard input.',
      cause,
    })
  }
}

async function send(url: string, init: RequestInit): Promise<Response> {
  if (!URL.canParse(url) || !/^https?:/i.test(url)) {
    throw new WaggleError('WAGGLE_USAGE', {
      message: `${url} is not an address of a server`,
      next: 'Say with --url where Waggle runs, as in http://127.0.0.1:8080.',
    })
  }
  try {
    return await fetch(url, init)
  } catch (thrown) {
    const { cause } = thrown as { readonly cause?: { readonly code?: string; readonly message?: string } }
    throw new WaggleError('WAGGLE_UNREACHABLE', {
      message: `${new URL(url).origin} cannot be reached (${cause?.code ?? cause?.message ?? String(thrown)})`,
      next: 'Start a swarm with `waggle run FILE`, or say with --url where it runs.',
      cause: thrown,
    })
  }
}
