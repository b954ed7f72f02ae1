import type { IncomingMessage } from 'node:http'
import { networkInterfaces } from 'node:os'
import { httpStatus } from '../../topology/error-codes.ts'

/** The names under which callers may reach one server. */
export interface OwnNames {
  /** True for a name of this server, with or without a port, as in a `Host` header. An IPv6 address must be in brackets. */
  has(authority: string): boolean
}

export interface OwnNamesOptions {
  /** The address that the server listens on. */
  readonly host: string
  /** The port that the server listens on. It must be the actual port, not 0. */
  readonly port: number
  /** Names from a proxy or a container network: `name` for any port, or `name:port`. */
  readonly names: readonly string[]
}

export interface SiteRefusal {
  readonly status: number
  readonly code: 'WAGGLE_BAD_HOST' | 'WAGGLE_UNKNOWN_HOST' | 'WAGGLE_CROSS_SITE'
  readonly detail: string
}

/**
 * The reason to refuse a request; null if it may pass. Two kinds are refused: requests that a page of another site sends through a visitor's browser,
 * and requests under a foreign host name (DNS rebinding). A server on loopback needs this check too. Other programs than browsers pass, because they
 * send neither `Origin` nor `Sec-Fetch-Site`.
 */
export function siteRefusal({ headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>, own: OwnNames): SiteRefusal | null {
  const hosts = countOf(rawHeaders, 'host')
  if (hosts !== 1) return refusal('WAGGLE_BAD_HOST', `The request has ${hosts === 0 ? 'no Host header' : 'more than one Host header'}: send one`)
  const { host = '', origin, 'sec-fetch-site': site } = headers
  if (!own.has(host)) {
    if (!authority.test(host)) return refusal('WAGGLE_BAD_HOST', 'The Host header is neither a name nor a name with a port')
    return refusal('WAGGLE_UNKNOWN_HOST', `${host} is not a name of this server. Set WAGGLE_HOSTS to its further names`)
  }
  if (site !== undefined && site !== 'none' && site !== 'same-origin') return crossSite
  if (origin !== undefined && !own.has(hostOfOrigin(origin))) return crossSite
  return null
}

/** The server's own names, each with its port or without: the loopback names, the server's addresses, and the names from the options. */
export function ownNames({ host, port, names }: OwnNamesOptions): OwnNames {
  const addresses = host === '0.0.0.0' || host === '::' ? addressesHere() : [host]
  const local = new Set(['localhost', '127.0.0.1', '[::1]', ...addresses.map((name) => (name.includes(':') ? `[${name}]` : name).toLowerCase())])
  const further = new Set(names.map((name) => name.toLowerCase()))
  const isOwn = (given: string) => {
    const parts = authority.exec(given.toLowerCase())
    if (parts === null) return false
    const [, name = '', givenPort] = parts
    if (further.has(name) || (givenPort !== undefined && further.has(`${name}:${givenPort}`))) return true
    return local.has(name) && (givenPort === undefined || Number(givenPort) === port)
  }
  // The last name that passed is cached, because most requests use the same name.
  let lastOwn: string | null = null
  return {
    has(given) {
      if (given === lastOwn) return true
      if (!isOwn(given)) return false
      lastOwn = given
      return true
    },
  }
}

/**
 * All addresses of this machine, for a server that listens on all of them. The addresses are safe as names: no page of another site can have an
 * address of this machine as its host.
 */
function addressesHere(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
}

const crossSite = refusal('WAGGLE_CROSS_SITE', 'Pages of another site may not use this server')

function refusal(code: SiteRefusal['code'], detail: string): SiteRefusal {
  return { status: httpStatus(code), code, detail }
}

/** A name, an IPv4 address, or an IPv6 address in brackets; then an optional port. */
const authority = /^([a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::(\d{1,5}))?$/i

/**
 * The host and port of an origin. An origin without a port has the default port of its scheme. The result is empty for `null` and for anything that
 * is not an origin.
 */
function hostOfOrigin(origin: string): string {
  const parts = /^(https?):\/\/([^/?#@]+)$/i.exec(origin)
  const [, scheme = '', host = ''] = parts ?? []
  if (host === '' || /:\d+$/.test(host)) return host
  return `${host}:${scheme.toLowerCase() === 'https' ? 443 : 80}`
}

function countOf(rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at]
    if (header?.length === name.length && header.toLowerCase() === name) count++
  }
  return count
}
