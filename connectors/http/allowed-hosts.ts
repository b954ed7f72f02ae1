import { BlockList, isIP } from 'node:net'

/**
 * The web servers that Waggle may call, and the addresses that their names may have. The owner of a name can give the name any address, so a name in
 * the list allows only public addresses. An address of a private network is allowed only if the list contains that address too.
 */
export class AllowedHosts {
  readonly #names: readonly string[]
  readonly #addresses = new BlockList()

  private constructor(names: readonly string[], networks: readonly string[]) {
    this.#names = names
    for (const network of networks) addNetwork(this.#addresses, network)
  }

  /** Reads a list with commas. Each entry is `name`, `name:port`, an address or a network (`10.0.0.0/8`). Throws RangeError for any other entry. */
  static parse(text: string | null): AllowedHosts {
    const entries = (text ?? '')
      .split(',')
      .map((entry) => entry.trim().toLowerCase())
      .filter((entry) => entry !== '')
    const networks = entries.flatMap((entry) => networksOf(entry))
    const names = entries.filter((entry) => !entry.includes('/'))
    for (const name of names)
      if (!/^(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:\d{1,5})?$/.test(name) && isIP(name) === 0) throw new RangeError(`${name} is not a host`)
    return new AllowedHosts(names, networks)
  }

  /** True if the list contains the host of a URL: its name, its name with its port, or its address. */
  has({ hostname, port, protocol }: URL): boolean {
    const name = hostname.toLowerCase().replace(/\.$/, '')
    const bare = name.replace(/^\[|\]$/g, '')
    if (isIP(bare) !== 0) return this.#addresses.check(bare, familyOf(bare)) && this.#isPortAllowed(name, port, protocol)
    const withPort = `${name}:${port || (protocol === 'http:' ? '80' : '443')}`
    return this.#names.includes(name) || this.#names.includes(withPort)
  }

  /** True if a name from the list may have this address. */
  allowsAddress(address: string): boolean {
    const family = familyOf(address)
    return !notPublic.check(address, family) || this.#addresses.check(address, family)
  }

  /** If the list has an address with ports, the address is allowed only at these ports. */
  #isPortAllowed(name: string, port: string, protocol: string): boolean {
    const own = port || (protocol === 'http:' ? '80' : '443')
    const ports = this.#names.flatMap((entry) => (entry.startsWith(`${name}:`) ? [entry.slice(name.length + 1)] : []))
    return ports.length === 0 || ports.includes(own)
  }
}

/** The networks and addresses that one entry of the list allows. */
function networksOf(entry: string): readonly string[] {
  if (/^localhost(:\d+)?$/.test(entry)) return ['127.0.0.0/8', '::1']
  const bare = entry.replace(/^\[([^\]]*)\](:\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1')
  if (isIP(bare) !== 0) return [bare]
  return entry.includes('/') ? [entry] : []
}

function addNetwork(list: BlockList, network: string): void {
  const [address = '', bits] = network.split('/')
  if (isIP(address) === 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) throw new RangeError(`${network} is not a network`)
  if (bits === undefined) list.addAddress(address, familyOf(address))
  else if (Number(bits) > (isIP(address) === 4 ? 32 : 128)) throw new RangeError(`${network} is not a network`)
  else list.addSubnet(address, Number(bits), familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}

/**
 * Addresses that no public server has, from IANA's registries of special addresses. A BlockList takes `::ffff:10.0.0.1` for 10.0.0.1; IPv6 addresses
 * that contain an IPv4 address in another way count as private.
 */
const notPublic = new BlockList()
for (const network of [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24'],
  ...['192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
  ...['5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
])
  addNetwork(notPublic, network)
