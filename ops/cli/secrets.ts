import type { SecretRegistry } from '../../connectors/gateway/http/secret-routes.ts'
import { maxSecretBytes } from '../../connectors/secrets/encrypted-secrets.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { loadConfig } from '../config/config.ts'
import type { Settings } from '../config/settings.ts'
import { storedSecrets } from '../config/stored-secrets.ts'
import { environmentToken } from '../inspection/bearer.ts'
import { runningProcess } from '../inspection/open-management.ts'
import { callServer, type Server } from '../inspection/server-call.ts'
import { WaitingAudit } from '../process-log/waiting-audit.ts'
import { exitStatus } from './exit-status.ts'

export interface SecretsOptions {
  /** The address of a running process. Default: the process that has the data directory open, else the data directory itself. */
  readonly url?: string
  readonly json: boolean
}

/** `waggle secrets set NAME`: stores the value from standard input, without the newline at the end. */
export async function setSecret(name: string, options: SecretsOptions): Promise<number> {
  if (process.stdin.isTTY) process.stderr.write('Type the value, Enter, and Ctrl-D.\n')
  const value = textOf(await bytesOf(process.stdin)).replace(/\r?\n$/, '')
  await (await secretsOf(options)).set(name, value)
  process.stdout.write(options.json ? `${JSON.stringify({ name })}\n` : `Stored ${name}. A swarm that names it takes it at its next start.\n`)
  return exitStatus.done
}

/** `waggle secrets list`: prints the names of stored secrets. */
export async function listSecrets(options: SecretsOptions): Promise<number> {
  const names = await (await secretsOf(options)).names()
  if (options.json) process.stdout.write(`${JSON.stringify(names.map((name) => ({ name })))}\n`)
  else process.stdout.write(names.length === 0 ? 'No secret is stored.\n' : names.map((name) => `${name}\n`).join(''))
  return exitStatus.done
}

/** `waggle secrets delete NAME`: deletes a stored secret. */
export async function deleteSecret(name: string, options: SecretsOptions): Promise<number> {
  await (await secretsOf(options)).delete(name)
  process.stdout.write(options.json ? `${JSON.stringify({ deleted: name })}\n` : `Deleted ${name}.\n`)
  return exitStatus.done
}

/** Reads the bytes of a value, up to a limit, because the input may be endless. */
async function bytesOf(input: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of input as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxInputBytes) throw invalid(`The value of a secret has at most ${maxSecretBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Decodes the text of a value. Bytes that are not UTF-8 are refused, because a decoder would replace them, and the secret would not work. */
function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw invalid('The value of a secret is not UTF-8 text: encode other bytes first, for example with base64')
  }
}

function invalid(message: string): WaggleError {
  return new WaggleError('WAGGLE_SECRET_INVALID', { message, next: 'See `waggle secrets set --help`.' })
}

/** The size limit of the input: a secret, and a newline of up to two bytes. */
const maxInputBytes = maxSecretBytes + 2

type SecretCommands = {
  readonly [call in keyof SecretRegistry]: (
    ...given: Parameters<SecretRegistry[call]>
  ) => ReturnType<SecretRegistry[call]> | Promise<ReturnType<SecretRegistry[call]>>
}

async function secretsOf({ url }: SecretsOptions): Promise<SecretCommands> {
  if (url !== undefined) return remoteSecrets({ url: url.replace(/\/+$/, ''), token: environmentToken() })
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  const running = await runningProcess(settings)
  return running === null ? auditedSecrets(settings) : remoteSecrets(running)
}

function auditedSecrets(settings: Settings): SecretCommands {
  const [here, audit] = [storedSecrets(settings), new WaitingAudit(settings.data_dir)]
  const change = (method: 'PUT' | 'DELETE', name: string, make: () => void) =>
    audit.record({ method, path: `/v1/secrets/${name}`, target: '', status: 204 }, Date.now(), make)
  return {
    names: () => here.names(),
    set: (name, value) => change('PUT', name, () => here.set(name, value)),
    delete: (name) => change('DELETE', name, () => here.delete(name)),
  }
}

function remoteSecrets(server: Server): SecretCommands {
  const pathOf = (name: string) => `/v1/secrets/${encodeURIComponent(name)}`
  return {
    names: async () =>
      ((await callServer(server, { method: 'GET', path: '/v1/secrets' })) as readonly { readonly name: string }[]).map(({ name }) => name),
    set: async (name, value) => {
      await callServer(server, { method: 'PUT', path: pathOf(name), text: value })
    },
    delete: async (name) => {
      await callServer(server, { method: 'DELETE', path: pathOf(name) })
    },
  }
}
