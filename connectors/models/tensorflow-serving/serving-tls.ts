import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { ServingTls } from '../../../topology/swarm/ports/model-servers.ts'
import { saidBy, WaggleError } from '../../../topology/waggle-error.ts'
import type { ServingAddress } from './serving-address.ts'

/**
 * Reads each PEM file. A setting that is already PEM text is kept. Throws WAGGLE_FILE_NOT_FOUND, and WAGGLE_MODEL_ADDRESS for texts that no
 * connection can use.
 */
export async function readTls(tls: ServingTls, { protocol, shown }: ServingAddress): Promise<ServingTls> {
  const texts = Object.entries(tls).map(async ([name, pem]: readonly [string, string]) => [name, await textOf(name, pem)] as const)
  const read: ServingTls = Object.fromEntries(await Promise.all(texts))
  if (texts.length > 0 && protocol !== 'https' && protocol !== 'grpcs')
    throw invalid(`tls is set, and ${shown} is an address without TLS`, 'Write https or grpcs in url, or leave tls out.')
  if ((read.cert === undefined) !== (read.key === undefined)) throw invalid('tls has one of cert and key', 'Name both.')
  try {
    if (read.ca !== undefined) new X509Certificate(read.ca)
    createSecureContext(read)
  } catch (thrown) {
    throw invalid(`The certificates of tls cannot be used: ${saidBy(thrown)}`, 'Name PEM files: certificates for ca and cert, and the key of cert.')
  }
  return read
}

async function textOf(name: string, pem: string): Promise<string> {
  if (pem.startsWith('-----BEGIN')) return pem
  try {
    return await readFile(pem, 'utf8')
  } catch (cause) {
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', { message: `${pem}, the ${name} of tls, cannot be read`, next: 'Correct the path.', cause })
  }
}

function invalid(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_ADDRESS', { message, next })
}
