import type { EdgeTypes, InferenceModel, InferenceModels } from '../../topology/swarm/inference-models.ts'
import type { SwarmManagement } from '../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'

export interface SwarmModelsOptions {
  readonly swarms: Pick<SwarmManagement, 'list'>
  /** The running swarms. */
  readonly running: readonly RunningSwarm[]
}

/**
 * The swarms of a process as models. A swarm with one gateway is a model under the swarm's name. Each gateway is a model under the gateway's name.
 */
export class SwarmModels implements InferenceModels {
  readonly #options: SwarmModelsOptions
  readonly #types = new WeakMap<RunningSwarm, Map<string, Promise<EdgeTypes>>>()

  constructor(options: SwarmModelsOptions) {
    this.#options = options
  }

  find(name: string, wanted: string): InferenceModel {
    const rows = this.#options.swarms.list()
    const own = rows.find((row) => row.name === name)
    const row = own?.gateways.length === 1 ? own : rows.find(({ gateways }) => gateways.includes(name))
    if (row === undefined) {
      const several = own === undefined || own.gateways.length === 0 ? '' : `: its gateways are the models ${own.gateways.join(', ')}`
      throw new WaggleError('WAGGLE_INFERENCE_MODEL', {
        message: `There is no model ${JSON.stringify(name.slice(0, 100))}${several}`,
        next: 'Name a swarm with one gateway, or a gateway.',
      })
    }
    const version = String(row.version ?? 1)
    if (wanted !== '' && wanted !== version)
      throw new WaggleError('WAGGLE_INFERENCE_MODEL', {
        message: `Version ${version} of ${name} runs, and version ${JSON.stringify(wanted.slice(0, 100))} does not`,
        next: 'Leave the version out.',
      })
    const gateway = row === own ? (own.gateways[0] ?? name) : name
    return { swarm: row.name, gateway, version, types: () => this.#typesOf(row.name, gateway) }
  }

  /** The types of a swarm. Types stay the same while a swarm runs, but bees that are still opening report theirs later. */
  #typesOf(swarm: string, gateway: string): Promise<EdgeTypes> {
    const running = this.#options.running.find(({ plan }) => plan.swarm === swarm)
    if (running === undefined) return Promise.resolve(unknown)
    const known = this.#types.get(running) ?? new Map<string, Promise<EdgeTypes>>()
    const types = known.get(gateway) ?? running.edgeTypes(gateway)
    if (running.notReady === null) this.#types.set(running, known.set(gateway, types))
    return types
  }
}

const unknown: EdgeTypes = { input: null, output: null }
