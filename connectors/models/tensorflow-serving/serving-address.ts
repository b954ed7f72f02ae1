import { shownAddress } from '../../../topology/swarm/secrets/shown-address.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

/** The place of one model on a TensorFlow Serving. */
export interface ServingAddress {
  readonly protocol: 'http' | 'https' | 'grpc' | 'grpcs'
  readonly hostname: string
  readonly port: number
  /** The path before `/v1/models`, which a proxy may need. Always empty for gRPC. */
  readonly prefix: string
  readonly model: string
  /** The version; null if the server chooses. */
  readonly version: number | null
  /** The label that the server’s configuration gives to a version; null if the address has no label. */
  readonly label: string | null
  /** The address in the form for messages. */
  readonly shown: string
}

/**
 * Reads the address of a model: `http://HOST:8501/v1/models/NAME`, optionally followed by `/versions/N` or `/labels/LABEL`. `version` is the version
 * that the bee's spec names beside the address. Throws WAGGLE_MODEL_ADDRESS.
 *
 *     servingAddress('grpc://127.0.0.1:8500/v1/models/teddy/versions/3') // { model: 'teddy', version: 3, … }
 */
export function servingAddress(url: string, version?: number): ServingAddress {
  const parsed = URL.parse(url)
  const protocol = parsed === null ? undefined : protocols.get(parsed.protocol)
  if (parsed === null || protocol === undefined) throw invalid(url, 'is not an address of http, https, grpc or grpcs')
  if (parsed.username !== '' || parsed.password !== '') throw invalid(parsed.host, 'has a user or a password, which TensorFlow Serving does not take')
  if (parsed.search !== '' || parsed.hash !== '') throw invalid(url, 'has a query or a fragment')
  // In a URL with a scheme that `URL` does not know, the host may be empty or contain an escape.
  if (!/^(?:[\w.-]+|\[[\da-fA-F:.]+\])$/.test(parsed.hostname)) throw invalid(url, 'has no valid host')
  const path = /^(.*?)\/v1\/models\/([^/:]+)(?:\/(versions|labels)\/([^/:]+))?(?::predict)?\/?$/.exec(parsed.pathname)
  if (path === null) throw invalid(url, 'does not name a model')
  const [, prefix = '', name = '', kind, chosen] = path
  const isHttp = protocol === 'http' || protocol === 'https'
  if (prefix !== '' && !isHttp) throw invalid(url, 'has a path in front of /v1/models, which gRPC has not')
  const own = kind === 'versions' ? versionOf(url, chosen) : null
  if (own !== null && version !== undefined && own !== version) throw invalid(url, `names version ${own}, and the spec names version ${version}`)
  const label = kind === 'labels' ? decoded(url, chosen ?? '') : null
  if (label !== null && version !== undefined) throw invalid(url, `names the label ${label}, and the spec names version ${version}`)
  return {
    protocol,
    hostname: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? defaultPorts[protocol] : Number(parsed.port),
    prefix,
    model: decoded(url, name),
    version: own ?? version ?? null,
    label,
    shown: `${protocol}://${parsed.host}${prefix}/v1/models/${name}`,
  }
}

const protocols: ReadonlyMap<string, ServingAddress['protocol']> = new Map([
  ['http:', 'http'],
  ['https:', 'https'],
  ['grpc:', 'grpc'],
  ['grpcs:', 'grpcs'],
])

/** The default ports. For gRPC the default is TensorFlow Serving's usual port, and for HTTP the web's default port. */
const defaultPorts = { http: 80, https: 443, grpc: 8500, grpcs: 8500 } as const

function versionOf(url: string, text: string | undefined): number {
  const version = Number(text)
  if (text === undefined || !/^\d{1,16}$/.test(text) || !Number.isSafeInteger(version))
    throw invalid(url, `has the version ${text}, which is not a number`)
  return version
}

function decoded(url: string, part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid(url, 'has a % that is no escape')
  }
}

function invalid(url: string, why: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_ADDRESS', {
    message: `The address ${shownAddress(url).slice(0, 200)} ${why}`,
    next: 'Write url as http://HOST:8501/v1/models/NAME or grpc://HOST:8500/v1/models/NAME, with /versions/N for a version.',
  })
}
