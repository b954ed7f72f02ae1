import { Type } from 'typebox'
import type { ContainerLimits } from '../../topology/swarm/ports/containers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeRemark } from '../define-bee.ts'

/** The settings of a spec that limit a container. For a program that runs as a process of this machine, only `memory` has an effect. */
export const boundsSpec = {
  memory: Type.Optional(
    Type.Unsafe<string | number>({
      type: ['string', 'integer'],
      pattern: '^\\d+(\\.\\d+)?\\s*([kmg]i?b?|b)?$',
      minimum: 6 * 1024 * 1024,
      description:
        'The most memory of a container, or of a process with its children, such as 512m or 2g, or a number of bytes; at least 6m. One that needs more is killed and started again. Default: 2g of a container, which has no swap; none of a process.',
    }),
  ),
  cpus: Type.Optional(Type.Number({ minimum: 0.01, maximum: 1024, description: 'The most cores of a container, such as 0.5. Default: 1.' })),
  pids: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 4_194_304, description: 'The most processes and threads of a container together. Default: 256.' }),
  ),
  network: Type.Optional(
    Type.Unsafe<boolean | string>({
      type: ['boolean', 'string'],
      pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]*$',
      description: 'true: the container reaches the network through Docker’s bridge. A name: it joins this Docker network. Default: no network.',
    }),
  ),
}

export interface BoundSpec {
  readonly memory?: string | number
  readonly cpus?: number
  readonly pids?: number
  readonly network?: boolean | string
}

/** The memory limit of a program that runs as a process of this machine. By default there is no limit. */
export function processBounds({ memory }: BoundSpec): { readonly memoryBytes?: number } {
  return memory === undefined ? {} : { memoryBytes: bytesOf(memory) }
}

/** The limits of a container. Missing settings get their defaults. */
export function boundsOf({ memory = '2g', cpus = 1, pids = 256, network = false }: BoundSpec): {
  readonly limits: ContainerLimits
  readonly network: string | null
} {
  return {
    limits: { memoryBytes: bytesOf(memory), cpus, pids },
    network: network === true ? 'bridge' : network === false ? null : network,
  }
}

/** A warning for each limit that has no effect on a program that runs as a process of this machine. */
export function boundsRemarks(spec: BoundSpec, bee: string): readonly BeeRemark[] {
  return (['cpus', 'pids', 'network'] as const)
    .filter((key) => spec[key] !== undefined)
    .map((setting) => ({
      kind: 'warning',
      setting,
      message: `${setting} has no effect on ${bee}, which runs as a process of this machine and not in a container`,
      next: `Remove it, or run the image: without a command for it under resolve: in waggle.yaml.`,
    }))
}

/** The error for limits that a container must not have; null if the limits are allowed. */
export function boundsMistake({ memory, network }: BoundSpec, bee: string): WaggleError | null {
  if (network === 'host')
    return new WaggleError('WAGGLE_INVALID_SWARM', {
      message: `${bee} asks for the network of this machine`,
      next: 'Set network: true, or name a Docker network: in the machine’s own network a container reaches everything that listens on loopback, Waggle too.',
    })
  if (memory !== undefined && bytesOf(memory) < leastBytes)
    return new WaggleError('WAGGLE_INVALID_SWARM', {
      message: `${bee} has ${memory} of memory, and needs at least 6m`,
      next: 'Write a unit, such as 512m or 2g.',
    })
  return null
}

function bytesOf(memory: string | number): number {
  if (typeof memory === 'number') return memory
  const [, number = '0', unit = 'b'] = /^([\d.]+)\s*([kmgb])?/.exec(memory) ?? []
  return Math.round(Number(number) * (units.get(unit) ?? 1))
}

const units: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
])
/** The least memory with which Docker starts a container. */
const leastBytes = 6 * 1024 ** 2
