import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { AllowedHosts } from './allowed-hosts.ts'

export interface GuardedLookupOptions {
  readonly hosts: AllowedHosts
  /** Finds the addresses of a name. Default: the lookup of the operating system. */
  readonly lookup?: LookupFunction | undefined
  /** Makes the error for a name whose addresses are all forbidden. `all`: the addresses of the name. */
  readonly forbidden: (hostname: string, all: readonly LookupAddress[]) => Error
}

/**
 * Looks up a name for a connection, and gives only addresses that the name may have. The connection uses exactly the checked addresses, so the name
 * cannot change between check and connection.
 */
export function guardedLookup({ hosts, lookup = systemLookup as LookupFunction, forbidden }: GuardedLookupOptions): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, '', 0)
      const all = typeof found === 'string' ? [{ address: found, family: 4 }] : found
      const allowed = all.filter(({ address }) => hosts.allowsAddress(address))
      const [first] = allowed
      if (first === undefined) return done(forbidden(hostname, all), '', 0)
      return options.all === true ? done(null, allowed) : done(null, first.address, first.family)
    })
  }
}
