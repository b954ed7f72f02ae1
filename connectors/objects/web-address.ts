import type { AllowedHosts } from './allowed-hosts.ts'
import { invalidAddress } from './invalid-address.ts'

/** Reads the address of a file on a web server. Throws WAGGLE_MODEL_SOURCE for one that may not be fetched. */
export function parseWebAddress(address: string, hosts: AllowedHosts): URL {
  const url = URL.parse(address)
  if (url === null) throw invalidAddress(address, 'it is not a URL')
  if (url.username !== '' || url.password !== '')
    throw invalidAddress(address, 'it has a name or a password in it', 'Take them out: a swarm file is read by many.')
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw invalidAddress(address, 'http:// neither hides nor checks what is sent', 'Write https://.')
  if (!hosts.has(url))
    throw invalidAddress(
      address,
      `${url.host} is not in the list of hosts that models may come from`,
      `Add it to WAGGLE_MODEL_HOSTS (WAGGLE_MODEL_HOSTS=${url.host}), if you trust it.`,
    )
  url.hash = ''
  return url
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)
}
