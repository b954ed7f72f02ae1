import { type LookupFunction, Socket } from 'node:net'
import { WaggleError } from '../../topology/waggle-error.ts'
import { AllowedHosts } from '../http/allowed-hosts.ts'
import { guardedLookup } from '../http/guarded-lookup.ts'

/** The servers that a `db` may name. `WAGGLE_POSTGRES_HOSTS` lists them; without that setting, only this machine may be named. */
export class PostgresHosts {
  readonly #hosts: AllowedHosts
  readonly #lookup: LookupFunction

  /** `lookup` finds the addresses of a name. Default: the lookup of the operating system. */
  constructor(hosts: string | null, lookup?: LookupFunction) {
    this.#hosts = AllowedHosts.parse(hosts ?? 'localhost')
    this.#lookup = guardedLookup({
      hosts: this.#hosts,
      lookup,
      forbidden: (hostname, all) =>
        new WaggleError('WAGGLE_POSTGRES_HOST', {
          message: `PostgreSQL on ${hostname} is not asked: the name stands for ${all.map(({ address }) => address).join(', ')}, which WAGGLE_POSTGRES_HOSTS does not have`,
          next: 'Add the address or its network to WAGGLE_POSTGRES_HOSTS, if the server is yours.',
        }),
    })
  }

  /** Throws WAGGLE_POSTGRES_HOST for a server that is not in the list. A path is a Unix socket, which is on this machine. */
  check(host: string, port: number): void {
    const isSocket = host.startsWith('/')
    const name = isSocket ? 'localhost' : `${host.includes(':') ? `[${host}]` : host}:${port}`
    const url = `http://${name}`
    // A URL ends a host at characters such as `#` and `@`, and the look-up of a name does not. So the host must have none of them.
    if ((isSocket || /^[\w.:-]+$/.test(host)) && URL.canParse(url) && this.#hosts.has(new URL(url))) return
    throw new WaggleError('WAGGLE_POSTGRES_HOST', {
      message: `${isSocket ? `The socket ${host}` : name} is not in the list of servers that postgres bees may connect to`,
      next: `Add it to WAGGLE_POSTGRES_HOSTS (WAGGLE_POSTGRES_HOSTS=${name}), if you trust it; a name in a private network needs the network too (${name},10.0.0.0/8).`,
    })
  }

  /** A socket that connects to a name only at addresses that the name may have. */
  socket(): Socket {
    return new GuardedSocket(this.#lookup)
  }
}

/** The driver connects with `connect(port, host)`, or `connect(path)` for a Unix socket. The look-up is the same one that opens the connection. */
class GuardedSocket extends Socket {
  readonly #lookup: LookupFunction

  constructor(lookup: LookupFunction) {
    super()
    this.#lookup = lookup
  }

  override connect(...given: readonly unknown[]): this {
    const [port, host] = given
    if (typeof port === 'number' && typeof host === 'string') return super.connect({ port, host, lookup: this.#lookup })
    if (typeof port === 'string') return super.connect({ path: port })
    throw new TypeError('the driver connects by port and host, or by a path')
  }
}
