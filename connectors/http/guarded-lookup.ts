import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { AllowedHosts } from './allowed-hosts.ts'

export interface GuardedLookupOptions {
  readonly hosts: AllowedHosts
  /** Finds the addresses of a name. Default: the system's. */
  readonly lookup?: LookupFunction | undefined
  /** The error for a name that stands for none of the addresses that it may have. */
  readonly forbidden: (hostname: string, all: readonly LookupAddress[]) => Error
}

/** Gives a connection only addresses that its name may have. The checked address is the one that is connected to, so a name cannot change between. */
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
