import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { AllowedHosts } from '../http/allowed-hosts.ts'
import { isLoopback } from '../http/loopback.ts'
import { invalidAddress } from './invalid-address.ts'

/** Reads the address of a file on a web server. Throws WAGGLE_MODEL_SOURCE for an address that may not be fetched. */
export function parseWebAddress(address: string, hosts: AllowedHosts): URL {
  const url = URL.parse(address)
  if (url === null) throw invalidAddress(address, 'it is not a URL')
  if (url.username !== '' || url.password !== '')
    throw invalidAddress(address, 'it has a name or a password in it', 'Take them out: a swarm file is read by many.')
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw invalidAddress(address, 'http:// neither hides nor checks what is sent', 'Write https://.')
  if (!hosts.has(url)) throw new HostNotAllowed(address, url.host)
  url.hash = ''
  return url
}

/** The error for a valid address whose host is not allowed by this machine's settings. */
export class HostNotAllowed extends WaggleError {
  constructor(address: string, host: string) {
    super('WAGGLE_MODEL_SOURCE', {
      message: `${shownAddress(address)} cannot be fetched: ${host} is not in the list of hosts that models may come from`,
      next: `Add the host to WAGGLE_MODEL_HOSTS (WAGGLE_MODEL_HOSTS=${host}), if you trust that host.`,
    })
  }
}
