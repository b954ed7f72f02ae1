import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { AllowedHosts } from '../../http/allowed-hosts.ts'
import { guardedLookup } from '../../http/guarded-lookup.ts'
import type { ServingAddress } from './serving-address.ts'
import { ServingFailure } from './serving-failure.ts'

/** The servers that a `url` may name. `WAGGLE_MODEL_HOSTS` lists them; without that setting, only this machine may be named. */
export class ServerHosts {
  readonly #hosts: AllowedHosts
  /** Looks up a name for a connection, and returns only addresses that the name may have. */
  readonly guardedLookup: LookupFunction

  /** `lookup` finds the addresses of a name. Default: the lookup of the operating system. */
  constructor(hosts: string | null, lookup?: LookupFunction) {
    this.#hosts = AllowedHosts.parse(hosts ?? 'localhost')
    const refusal = (hostname: string, all: readonly LookupAddress[]) => new ServingFailure('forbidden', forbidden(hostname, all))
    this.guardedLookup = guardedLookup({ hosts: this.#hosts, lookup, forbidden: refusal })
  }

  /** Throws WAGGLE_MODEL_ADDRESS for a host that is not in the list. */
  check({ protocol, hostname, port, shown }: ServingAddress): void {
    const host = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
    if (this.#hosts.has(new URL(`${protocol === 'https' || protocol === 'grpcs' ? 'https' : 'http'}://${host}`))) return
    throw new WaggleError('WAGGLE_MODEL_ADDRESS', {
      message: `${shown} is not on this machine, and ${host} is not in the list of hosts that models may come from`,
      next: `Add the host to WAGGLE_MODEL_HOSTS (WAGGLE_MODEL_HOSTS=${host}), if you trust it; a name in a private network needs the network too (${host},10.0.0.0/8).`,
    })
  }

  /** The allowed addresses of a name. Throws a ServingFailure if no address of the name is allowed. */
  addressesOf(hostname: string): Promise<readonly LookupAddress[]> {
    return new Promise((resolve, reject) => {
      this.guardedLookup(hostname, { all: true }, (error, found) => {
        if (error === null) resolve(typeof found === 'string' ? [{ address: found, family: 4 }] : found)
        else if (error instanceof ServingFailure) reject(error)
        else reject(new ServingFailure('away', `takes no connection: ${error.message}`, error))
      })
    })
  }
}

function forbidden(hostname: string, all: readonly LookupAddress[]): string {
  return `is not asked: ${hostname} stands for ${all.map(({ address }) => address).join(', ')}, which WAGGLE_MODEL_HOSTS does not have`
}
