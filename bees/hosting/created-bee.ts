import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeContext, BeeFindings, BeeType } from '../define-bee.ts'
import { BeeReplicas } from '../replicas/bee-replicas.ts'
import { BeePrinter } from './bee-printer.ts'
import type { HostOptions } from './host-options.ts'

/** The result of a type's `create`. An error gets the line of the swarm file that caused it. */
export async function createBee(options: HostOptions, bee: SwarmBee, opening: Opening, readers: ReaderFindings): Promise<Bee<unknown, unknown>> {
  const { printing } = options.ports
  const create = async () => madeBy(options, bee, opening, readers)
  try {
    if (printing === undefined) return await create()
    return await printing.call(new BeePrinter((level, message, origin) => options.log(bee.name, level, message, origin), []), create)
  } catch (thrown) {
    throw thrown instanceof WaggleError ? thrown.at(options.fileAndLineOf(bee, thrown)) : thrown
  }
}

/** The result of a type's `create`, which may be a promise. */
export function madeBy(
  options: HostOptions,
  bee: SwarmBee,
  { batchSize, replicas }: Opening,
  readers: ReaderFindings,
): Bee<unknown, unknown> | Promise<Bee<unknown, unknown>> {
  const { definition } = typeOf(options, bee)
  if (definition.create === undefined)
    throw new WaggleError('WAGGLE_INVALID_BEE', {
      message: `${bee.type.type} has no create function`,
      next: 'Give the bee type a create function, or the role gateway or batch.',
    })
  const context: BeeContext<never> = {
    swarm: options.swarm,
    bee: bee.name,
    ...(bee.shadows === undefined ? {} : { shadows: bee.shadows }),
    spec: options.specOf(bee) as never,
    inputNames: bee.input?.bees ?? [],
    specs: new Map(options.bees.map(({ name, spec }) => [name, spec])),
    gpu: bee.gpu,
    batchSize,
    replicas: replicas.range,
    replicate: (open) => replicas.open(open),
    ports: options.ports,
    now: options.now,
    readers: () => readers(bee),
    resolve: options.resolve,
    resolveCommand: options.resolveCommand,
    log: (level, message, origin) => options.log(bee.name, level, message, origin),
  }
  return definition.create(context) as Bee<unknown, unknown> | Promise<Bee<unknown, unknown>>
}

interface Opening {
  readonly batchSize: number
  readonly replicas: BeeReplicas
}

type ReaderFindings = (bee: SwarmBee) => Promise<ReadonlyMap<string, BeeFindings>>

/** The batch size and the replicas of a bee that is created before the topology. Such a bee has no batches. */
export function alone(options: HostOptions, bee: SwarmBee): Opening {
  return { batchSize: 1, replicas: new BeeReplicas(bee, { ...options, least: 1 }) }
}

export function leastReplicas(options: HostOptions, bee: SwarmBee): number {
  return options.registry.find(bee.type.type)?.definition.leastReplicas?.(bee.spec as never) ?? 1
}

export function typeOf(options: HostOptions, bee: SwarmBee): BeeType {
  const type = options.registry.find(bee.type.type)
  if (type === null)
    throw new WaggleError('WAGGLE_UNKNOWN_BEE_TYPE', { message: `There is no bee type ${bee.type.type}`, next: 'Register the bee type.' })
  return type
}
