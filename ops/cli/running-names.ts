import type { BeeRow, SwarmRow } from '../../topology/swarm/swarm-management.ts'
import { callServer } from '../inspection/server-call.ts'
import type { nameKinds } from './completion.ts'
import { exitStatus } from './exit-status.ts'
import { type ServerOptions, serverOf } from './server-options.ts'

/**
 * `waggle names KIND [SWARM]`: prints the names of swarms, gateways or bees of a running server, one a line. A shell calls it while somebody types, so
 * it says nothing where no server answers within two seconds, and leaves out a name that a shell would take for more than a name.
 */
export async function runningNames(kind: (typeof nameKinds)[number], swarm: string | null, options: ServerOptions): Promise<number> {
  const found = await namesOf(kind, swarm, options).catch(() => [])
  const names = [...new Set(found)].filter((one) => plainName.test(one)).slice(0, maxNames)
  process.stdout.write(options.json ? `${JSON.stringify(names)}\n` : names.map((name) => `${name}\n`).join(''))
  return exitStatus.done
}

async function namesOf(kind: (typeof nameKinds)[number], swarm: string | null, options: ServerOptions): Promise<readonly string[]> {
  const server = await serverOf(options)
  const signal = AbortSignal.timeout(patienceMs)
  const list = async <T>(path: string) => (await callServer(server, { method: 'GET', path, signal })) as readonly T[]
  if (kind === 'bees' && swarm !== null) return (await list<BeeRow>(`/v1/swarms/${encodeURIComponent(swarm)}/bees`)).map(({ name }) => name)
  const swarms = await list<SwarmRow>('/v1/swarms')
  if (kind === 'swarms') return swarms.map(({ name }) => name)
  if (kind === 'gateways') return swarms.flatMap(({ gateways }) => gateways)
  const bees = await Promise.all(swarms.slice(0, maxSwarms).map(({ name }) => list<BeeRow>(`/v1/swarms/${encodeURIComponent(name)}/bees`)))
  return bees.flat().map(({ name }) => name)
}

const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/
const patienceMs = 2000
const maxNames = 1000
const maxSwarms = 100
