import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { AllowedHosts } from '../../objects/allowed-hosts.ts'
import type { ServingAddress } from './serving-address.ts'
import { ServingFailure } from './serving-failure.ts'

/** The servers that a `url` may name: those of `WAGGLE_MODEL_HOSTS`; without that setting, this machine’s own. */
export class ServerHosts {
  readonly #hosts: AllowedHosts
  readonly #lookup: LookupFunction

  /** `lookup` finds the addresses of a name. Default: the system's. */
  constructor(hosts: string | null, lookup: LookupFunction = systemLookup as LookupFunction) {
    this.#hosts = AllowedHosts.parse(hosts ?? 'localhost')
    this.#lookup = lookup
  }

  /** Throws WAGGLE_MODEL_ADDRESS for a host that is not in the list. */
  check({ protocol, hostname, port, shown }: ServingAddress): void {
    const host = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`
    if (this.#hosts.has(new URL(`${protocol === 'https' || protocol === 'grpcs' ? 'https' : 'http'}://${host}`))) return
    throw new WaggleError('WAGGLE_MODEL_ADDRESS', {
      message: `${shown} is not on this machine, and ${host} is not in the list of hosts that models may come from`,
      next: `Add it to WAGGLE_MODEL_HOSTS (WAGGLE_MODEL_HOSTS=${host}), if you trust it; a name in a private network needs the network too (${host},10.0.0.0/8).`,
    })
  }

  /** Gives a connection only addresses that its name may have. The checked address is the one that is connected to. */
  readonly guardedLookup: LookupFunction = (hostname, options, done) => {
    this.#lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, '', 0)
      const all = typeof found === 'string' ? [{ address: found, family: 4 }] : found
      const allowed = all.filter(({ address }) => this.#hosts.allowsAddress(address))
      const [first] = allowed
      if (first === undefined) return done(new ServingFailure('forbidden', forbidden(hostname, all)), '', 0)
      return options.all === true ? done(null, allowed) : done(null, first.address, first.family)
    })
  }

  /** The addresses of a name that it may have. Throws a ServingFailure if it has none of them. */
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
